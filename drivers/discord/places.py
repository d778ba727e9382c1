"""Where things are: the channels of the operator's file, their guilds, and the threads in them.

A message's id, as the core knows it, says where the message stands: `ID` in the channel itself, `THREAD/ID` in a
thread of it. So what was said in a thread can be answered, edited and deleted with nothing but its id.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.rights import Right, rights_in
from drivers.discord.settings import DiscordChannel
from nextbridge.driver import ConfiguredChannel, Cursor, Host, Position
from nextbridge.envelope import ChannelKey, MessageId
from nextbridge.errors import Retry

__all__ = ["SILENT", "Home", "Place", "Places", "lacking", "located", "message_id"]

_NEEDED = {
    Right.VIEW_CHANNEL: "View Channel",
    Right.SEND_MESSAGES: "Send Messages",
    Right.READ_MESSAGE_HISTORY: "Read Message History",
}
SILENT = frozenset({4, 13, 14})
"""The kinds of channels that hold no messages: categories, stages and directories."""
_THREADS_KEPT = 5000
_STRANGERS_KEPT = 5000


def lacking(channel: wire.Channel, rights: Right) -> list[str]:
    """The rights that the relay needs in a channel or thread and that are not among these, as Discord calls them."""
    missing = [words for right, words in _NEEDED.items() if right not in rights]
    if channel.is_thread and Right.SEND_MESSAGES_IN_THREADS not in rights:
        missing.append("Send Messages in Threads")
    return missing


def message_id(message: str, thread: str = "") -> MessageId:
    """The id by which the core knows a message."""
    return MessageId(f"{thread}/{message}" if thread else message)


def located(message: MessageId) -> tuple[str, str] | None:
    """The thread, or nothing, and Discord's own id of a message; None where no message has such an id."""
    thread, slash, number = message.rpartition("/")
    if not (number.isascii() and number.isdecimal() and len(number) <= 20):
        return None
    if slash and not (thread.isascii() and thread.isdecimal() and len(thread) <= 20):
        return None
    return thread, number


class Home(Struct):
    """A channel of the operator's file, as it is now."""

    settings: DiscordChannel
    channel: wire.Channel
    rights: Right = Right(0)
    unavailable: str = ""
    """Why nothing can be sent there, and what the operator is to do."""
    told: str = ""
    """What the host was told of that."""
    newest: int = 0
    """The newest message that is known, there and in its threads, ours too."""
    received: int = 0
    """The newest that came by the gateway: what the cursor says."""
    heard: bool = False
    """What is said there comes to us, and the host was told from where on."""

    @property
    def name(self) -> str:
        return self.channel.name or self.channel.id


class Guilds(Struct):
    """What is known of the guilds."""

    guilds: dict[str, wire.Guild] = field(default_factory=dict)
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Our own, by guild."""
    names: dict[str, str] = field(default_factory=dict)
    """Of channels."""
    parents: dict[str, wire.Channel] = field(default_factory=dict)
    """Channels of threads that stand in the file themselves."""


class Place(Struct, frozen=True):
    """Where a message stands."""

    home: Home
    thread: str = ""

    @property
    def key(self) -> ChannelKey:
        return ChannelKey(self.home.settings.channel_id)

    @property
    def channel(self) -> str:
        """The channel or thread to be asked."""
        return self.thread or self.home.settings.channel_id

    @property
    def thread_of_webhook(self) -> str:
        """The thread, or nothing: a webhook is its channel's, and is told the thread beside that."""
        return self.channel if self.thread or self.home.channel.is_thread else ""


class Places:
    """All of an instance."""

    def __init__(self, configured: Sequence[ConfiguredChannel[DiscordChannel]], host: Host | None) -> None:
        """Without a host nobody is told: for a look at them."""
        self._configured = configured
        self._host = host
        self._guilds = Guilds()
        self._homes: dict[str, Home] = {
            each.settings.channel_id: Home(
                each.settings, wire.Channel(each.settings.channel_id), unavailable="it was not looked at yet"
            )
            for each in configured
        }
        self._threads: OrderedDict[str, wire.Channel] = OrderedDict()
        """Of our channels, archived or not, as they are met."""
        self._strangers: OrderedDict[str, None] = OrderedDict()
        """Channels and threads that are none of ours."""
        self._me = ""
        self._connected = False

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def homes(self) -> Iterator[Home]:
        yield from self._homes.values()

    def home(self, channel: ChannelKey) -> Home | None:
        """A channel of the file, by its id."""
        return self._homes.get(channel)

    def guild(self, guild: str) -> wire.Guild | None:
        return self._guilds.guilds.get(guild)

    def guild_of(self, channel: ChannelKey) -> str:
        """The id of the guild of a channel; empty where that is not known."""
        home = self._homes.get(channel)
        return "" if home is None else home.channel.guild_id or ""

    def name_of(self, channel: str) -> str | None:
        return self._guilds.names.get(channel)

    def threads_in(self, channel: str) -> list[wire.Channel]:
        """Those of one of our channels that are known."""
        return [each for each in self._threads.values() if each.parent_id == channel]

    def has_thread(self, thread: str, channel: str) -> bool:
        known = self._threads.get(thread)
        return known is not None and known.parent_id == channel

    def newest(self, place: Place) -> int:
        """The newest message that is known in a place."""
        if not place.thread:
            return place.home.newest
        known = self._threads.get(place.thread)
        return int(known.last_message_id or known.id) if known is not None else 0

    async def place(self, channel: str, guild: str | None, api: Api) -> Place | None:
        """Where a message of that channel or thread of a guild stands; None where it is none of ours.

        Raises Retry where that cannot be known now.
        """
        if (home := self._homes.get(channel)) is not None:
            return Place(home)
        if guild not in self._guilds.guilds:
            return None
        known = self._threads.get(channel)
        if known is None and channel not in self._strangers:
            try:
                known = await api.channel(channel)
            except Refused:
                known = None
            if known is None or not known.is_thread or known.parent_id not in self._homes:
                self._strange(channel)
                return None
            self.met_thread(known)
        if known is None or known.parent_id not in self._homes:
            return None
        return Place(self._homes[known.parent_id], channel)

    # --- learning -------------------------------------------------------------------------------------------------

    def reached(self, place: Place, message: str) -> None:
        """A message stands there."""
        place.home.newest = max(place.home.newest, int(message))
        if (known := self._threads.get(place.thread)) is not None:
            newest = max(int(known.last_message_id or 0), int(message))
            self._threads[place.thread] = replace(known, last_message_id=str(newest))

    def received(self, place: Place, message: str) -> Cursor:
        """A message came by the gateway: how far the channel was heard now, with its threads.

        Ids grow with time, wherever they are made.
        """
        self.reached(place, message)
        place.home.received = max(place.home.received, int(message))
        return Cursor(place.home.settings.channel_id, str(place.home.received))

    def met_thread(self, thread: wire.Channel) -> None:
        """A thread is there, or has changed."""
        if thread.parent_id not in self._homes or thread.id in self._homes:
            self._strange(thread.id)
            return
        self._strangers.pop(thread.id, None)
        before = self._threads.get(thread.id)
        if before is not None and int(before.last_message_id or 0) > int(thread.last_message_id or 0):
            thread = replace(thread, last_message_id=before.last_message_id)
        self._threads[thread.id] = thread
        self._threads.move_to_end(thread.id)
        if len(self._threads) > _THREADS_KEPT:
            self._threads.popitem(last=False)
        if thread.name:
            self._guilds.names[thread.id] = thread.name

    def lost_thread(self, thread: str) -> None:
        """A thread was deleted."""
        self._threads.pop(thread, None)
        self._guilds.names.pop(thread, None)

    def awaits(self, channels: Iterable[str]) -> bool:
        """Whether one of these is a channel of the file that was not seen yet."""
        return any(home.channel.guild_id is None for each in channels if (home := self._homes.get(each)) is not None)

    def met_guild(self, guild: wire.Guild) -> None:
        """A guild as it is now."""
        if guild.unavailable or not any(each.channel.guild_id == guild.id for each in self._homes.values()):
            return
        if guild.id in self._guilds.guilds:
            self._guilds.guilds[guild.id] = guild
            self._look_again(guild.id)

    def changed_roles(self, guild: str, roles: tuple[str, ...]) -> None:
        """We have other roles now."""
        self._guilds.roles[guild] = roles
        self._look_again(guild)

    def changed_role(self, guild: str, role: wire.Role) -> None:
        known = self._guilds.guilds.get(guild)
        if known is not None:
            others = (each for each in known.roles if each.id != role.id)
            self._guilds.guilds[guild] = replace(known, roles=(*others, role))
            self._look_again(guild)

    def lost_role(self, guild: str, role: str) -> None:
        known = self._guilds.guilds.get(guild)
        if known is not None:
            self._guilds.guilds[guild] = replace(known, roles=tuple(each for each in known.roles if each.id != role))
            self._look_again(guild)

    def changed_emojis(self, guild: str, emojis: tuple[wire.CustomEmoji, ...]) -> None:
        known = self._guilds.guilds.get(guild)
        if known is not None:
            self._guilds.guilds[guild] = replace(known, emojis=emojis)

    def changed_channel(self, channel: wire.Channel) -> None:
        """A channel has another name, or other rights."""
        if channel.name:
            self._guilds.names[channel.id] = channel.name
        if channel.id in self._guilds.parents:
            self._guilds.parents[channel.id] = channel
        for home in self._homes.values():
            if home.channel.id == channel.id:
                home.channel = channel
            if channel.id in {home.channel.id, home.channel.parent_id}:
                self._judge(home)

    def lost_channel(self, channel: str) -> None:
        """A channel was deleted."""
        self._guilds.names.pop(channel, None)
        if (home := self._homes.get(channel)) is not None:
            self._close(home, f"channel {home.name} was deleted; take it out of the file")

    def lost_guild(self, guild: str) -> None:
        """We were removed from a guild."""
        for home in self._homes.values():
            if home.channel.guild_id == guild:
                self._close(home, f"the bot was removed from the server of channel {home.name}; invite it again")
                home.channel, home.rights = wire.Channel(home.settings.channel_id), Right(0)
                home.heard = False
        self._guilds.guilds.pop(guild, None)

    def refused(self, home: Home, reason: str) -> None:
        """A send found that a channel is closed."""
        self._close(home, reason)

    def _strange(self, channel: str) -> None:
        self._strangers[channel] = None
        if len(self._strangers) > _STRANGERS_KEPT:
            self._strangers.popitem(last=False)

    # --- connecting -----------------------------------------------------------------------------------------------

    async def resolve(self, api: Api, me: wire.User) -> None:
        """Look at every channel of the file, and tell the host. Raises Retry and Paused."""
        self._me = me.id
        self._strangers.clear()
        for configured in self._configured:
            home = self._homes[configured.settings.channel_id]
            try:
                home.channel = await api.channel(configured.settings.channel_id)
            except Refused as refused:
                self._close(home, _not_there(home, me, refused))
                continue
            home.newest = max(home.newest, int(home.channel.last_message_id or 0))
            if self._host is not None:
                await self._host.resolved(configured, ChannelKey(home.channel.id), home.name)
        guilds = dict.fromkeys(home.channel.guild_id for home in self._homes.values() if home.channel.guild_id)
        for guild in guilds:
            if guild is not None:
                await self._resolve_guild(guild, api)
        for home in self._homes.values():
            if home.channel.guild_id in self._guilds.guilds:
                self._judge(home)

    async def _resolve_guild(self, guild: str, api: Api) -> None:
        try:
            self._guilds.guilds[guild] = await api.guild(guild)
            self._guilds.roles[guild] = (await api.member(guild, self._me)).roles
            for channel in await api.channels_of(guild):
                self._guilds.names[channel.id] = channel.name or channel.id
                if channel.id in self._homes:
                    self._homes[channel.id].channel = channel
                else:
                    self._strange(channel.id)
                if any(channel.id == home.channel.parent_id for home in self._homes.values()):
                    self._guilds.parents[channel.id] = channel
            for thread in await api.threads_of(guild):
                if thread.parent_id in self._homes:
                    self.met_thread(thread)
                    home = self._homes[thread.parent_id]
                    home.newest = max(home.newest, int(thread.last_message_id or thread.id))
        except Refused as refused:
            raise Retry(f"Discord does not tell of the server: {refused}") from refused

    def gaps(self) -> None:
        """What was said in each channel up to here may not have reached us."""
        self._connected = True
        for home in self._homes.values():
            if Right.VIEW_CHANNEL in home.rights:
                self._gap(home)

    def _gap(self, home: Home, *, forget: bool = False) -> None:
        home.heard = True
        at = wire.moment(str(home.newest)) if home.newest else 0
        if self._host is not None:
            channel = home.settings.channel_id
            self._host.gap(ChannelKey(channel), Position(Cursor(channel, str(home.newest)), at), forget=forget)

    def _look_again(self, guild: str) -> None:
        for home in self._homes.values():
            if home.channel.guild_id == guild:
                self._judge(home)

    def _judge(self, home: Home) -> None:
        """See what we may do in a channel, and tell the host where that opens or closes it."""
        home.rights = self.rights(home)
        if Right.VIEW_CHANNEL not in home.rights:
            home.heard = False
        elif self._connected and not home.heard:
            # what was said before we were let in is none of ours
            home.newest = max(home.newest, wire.since(int(time.time() * 1000)))
            self._gap(home, forget=True)
        missing = lacking(home.channel, home.rights)
        if home.channel.type in SILENT:
            self._close(home, f"channel {home.name} holds no messages, by its kind; name a text channel or a forum")
        elif missing:
            self._close(home, f"in channel {home.name} the bot lacks {', '.join(missing)}; give it that in the channel")
        elif home.unavailable or home.told:
            home.unavailable = home.told = ""
            if self._host is not None:
                self._host.available(ChannelKey(home.settings.channel_id))

    def rights(self, home: Home) -> Right:
        """What we may do in a channel, by what is known."""
        guild = self._guilds.guilds.get(home.channel.guild_id or "")
        if guild is None:
            return Right(0)
        roles = self._guilds.roles.get(guild.id, ())
        parent = self._guilds.parents.get(home.channel.parent_id or "") if home.channel.is_thread else home.channel
        return Right(0) if parent is None else rights_in(guild, roles, self._me, parent)

    def _close(self, home: Home, reason: str) -> None:
        home.unavailable = reason
        if home.told != reason and self._host is not None:
            home.told = reason
            self._host.unavailable(ChannelKey(home.settings.channel_id), reason)


def _not_there(home: Home, me: wire.User, refused: Refused) -> str:
    if refused.status == 404:
        return f"there is no channel {home.settings.channel_id}, or the bot is not in its server; look at the id"
    return (
        f"the bot {me.username} does not see channel {home.settings.channel_id}; invite it to the server, and give it "
        "View Channel there"
    )
