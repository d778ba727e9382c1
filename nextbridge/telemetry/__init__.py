"""Traces of messages for OpenTelemetry: what a message's way took, and where, for whoever watches many programs.

A trace is one message: the span `accept`, below it a span `deliver` for each target, from when it was on disk to its
end, and below that a span `attempt` for each attempt. Ids are W3C's, and the same after a restart, so that a message
that waited has one trace. Names of the file and short words are all that is in them: nobody's text, name or id.

The libraries are the extra `nextbridge[otel]`; only `pipeline` knows them, and it is imported where the file wants
traces.
"""

from nextbridge.telemetry.switch import Telemetry

__all__ = ["Telemetry"]
