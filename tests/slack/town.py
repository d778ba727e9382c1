"""The workspace of most tests: an app, two people, a channel in which all are, and one in which the app is not."""

from __future__ import annotations

from nextbridge.sandbox.slack import Message, SandboxSlack

__all__ = ["Town"]


class Town(SandboxSlack):
    """`async with Town() as town`."""

    def __init__(self) -> None:
        super().__init__()
        self.app = self.add_app("relay")
        self.alice = self.add_user("alice", real_name="Alice Stone", display_name="Ally")
        self.bob = self.add_user("bob")
        self.general = self.add_channel("general", self.app, self.alice, self.bob)
        self.dev = self.add_channel("dev", self.app, self.alice)
        self.closed = self.add_channel("closed", self.alice, is_private=True)

    def says(self, text: str, thread: str = "") -> Message:
        """Alice says something in #general."""
        return self.post_as(self.alice, self.general, text, thread=thread)

    @property
    def texts(self) -> list[str]:
        """The texts of #general."""
        return [each.text for each in self.messages(self.general)]
