"""A web chat: rooms by name on a page that the daemon itself serves."""

from drivers.webchat.driver import WebChatDriver

__all__ = ["WebChatDriver"]
