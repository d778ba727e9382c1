"""A stand-in Slack: the Web API, Socket Mode and the Events API, as far as a chat app uses them.

It behaves as https://docs.slack.dev says: `ok: false` with the documented names of errors, 429 with Retry-After,
acknowledgement and redelivery of events, files that appear some time after they were completed. What the documentation
leaves open is decided for the worse: an event that nobody is connected for is lost, and an answer to what is not there
is posted all the same.
"""

from nextbridge.sandbox.slack.records import App, Channel, File, Message, User
from nextbridge.sandbox.slack.server import SandboxSlack

__all__ = ["App", "Channel", "File", "Message", "SandboxSlack", "User"]
