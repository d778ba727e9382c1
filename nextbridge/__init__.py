"""NextBridge: a daemon that relays conversations between chat platforms and loses nothing on the way."""

__version__ = "0.1.0"
