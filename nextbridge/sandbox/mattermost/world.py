"""All that the stand-in keeps, put together: what the REST and WebSocket sides act on."""

from __future__ import annotations

from nextbridge.sandbox.mattermost.channels import Channels
from nextbridge.sandbox.mattermost.clock import Clock
from nextbridge.sandbox.mattermost.conversation import Conversation
from nextbridge.sandbox.mattermost.files import Files
from nextbridge.sandbox.mattermost.hub import Hub
from nextbridge.sandbox.mattermost.pending import PendingPosts
from nextbridge.sandbox.mattermost.people import People
from nextbridge.sandbox.mattermost.posts import Posts
from nextbridge.sandbox.mattermost.records import Hook, SlashCommand
from nextbridge.sandbox.mattermost.rights import Rights
from nextbridge.sandbox.mattermost.settings import ServerSettings

__all__ = ["World"]


class World:
    """One server's state."""

    def __init__(self, clock: Clock, settings: ServerSettings) -> None:
        self.clock = clock
        self.settings = settings
        self.people = People(clock)
        self.channels = Channels(clock, self.people)
        self.files = Files(clock)
        self.posts = Posts(self.files)
        self.hub = Hub(clock, self.channels.member_ids, self.people.team_members)
        self.rights = Rights()
        self.emoji: set[str] = set()
        """The names of custom ones."""
        self.pending = PendingPosts(clock)
        self.hooks: dict[str, Hook] = {}
        self.commands: dict[str, SlashCommand] = {}
        self.conversation = Conversation(clock, settings, self.people, self.channels, self.posts, self.files, self.hub)
