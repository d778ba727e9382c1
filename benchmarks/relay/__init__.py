"""How fast the relay is, and what it costs, beside a script that only forwards. `python -m benchmarks.relay`."""
