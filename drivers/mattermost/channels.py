"""The channels of the operator's file on the server: which id each has, and whether we are a member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec import UNSET, Struct

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.history import Reached
from drivers.mattermost.settings import MattermostChannel, MattermostSettings, named
from nextbridge.driver import ConfiguredChannel, Host, Listed, Position
from nextbridge.envelope import ChannelKey
from nextbridge.errors import Retry

__all__ = ["Channels", "Unavailable", "find_channel", "listed"]


_MANY = 20
"""From so many channels on, those that we are in are asked for at once, not one by one."""


class Unavailable(Exception):
    """A channel that cannot be used for now: `reason` says what the operator is to do."""

    def __init__(self, reason: str, found: wire.ChannelInfo | None = None, *, member: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.found = found
        self.member = member


class _State(Struct):
    """What is known of a configured channel."""

    key: ChannelKey
    written: str
    """As the file names it."""
    name: str = ""
    team: str = ""
    type: str = ""
    open: bool = False
    heard: bool = False
    """Its frames come to us, whether we may post there or not."""
    member: bool = True
    """False once the server has said that we are none."""
    newest: int | None = None
    """When its newest post was made, by the latest look at it; None where more may have come unheard since."""


class Channels:
    """Resolves the configured channels, and tells the host which can be used. Knows their names for messages."""

    def __init__(
        self, configured: Sequence[ConfiguredChannel[MattermostChannel]], settings: MattermostSettings, host: Host
    ) -> None:
        self._configured = configured
        self._settings = settings
        self._host = host
        self._states = {each.key: _State(each.key, _as_written(each.settings, settings)) for each in configured}
        self._by_key: dict[ChannelKey, list[_State]] = {key: [state] for key, state in self._states.items()}
        """By what they are now; two names in the file may be one channel."""
        self._closed: set[ChannelKey] = set()
        """Channels that the host was told are unavailable."""

    def name(self, channel: ChannelKey) -> str:
        """What people call a channel, for messages to the operator: its name where it is known, else its id."""
        for state in self._by_key.get(channel, ()):
            return state.name or state.written
        return channel

    def knows(self, channel: str) -> bool:
        """Whether it is one of the file's."""
        return bool(self._by_key.get(ChannelKey(channel)))

    def teams(self) -> dict[str, str]:
        """The teams of the channels that we are in, each with the name of one of those."""
        return {state.team: state.name for state in self._states.values() if state.open and state.team}

    def about(self, channel: ChannelKey) -> wire.PostedData:
        """What a frame would say about the channel of a post."""
        for state in self._by_key.get(channel, ()):
            return wire.PostedData("", state.name, state.type)
        return wire.PostedData("")

    def anew(self) -> None:
        """The connection resumes none: what was posted before it is only in the history."""
        for state in self._states.values():
            if state.heard:
                self._gap(state)

    def unheard(self) -> None:
        """From here on something may be posted that no socket tells of."""
        for state in self._states.values():
            state.newest = None

    def missed(self) -> None:
        """Frames are missing, of whichever channel."""
        self.unheard()
        for state in self._states.values():
            if state.heard:
                self._gap(state)

    def quiet_since(self, channel: ChannelKey, heard: int) -> bool:
        """Whether nothing was posted since `heard` (milliseconds), by the latest look. True once for each look."""
        states = self._by_key.get(channel, [])
        quiet = any(state.newest is not None and state.newest <= heard for state in states)
        for state in states:
            state.newest = None
        return quiet

    def _gap(self, state: _State, *, forget: bool = False) -> None:
        newest = None
        if state.newest is not None:
            newest = Position(Reached(state.newest).cursor(state.key), state.newest)
        self._host.gap(state.key, newest, forget=forget)

    async def resolve(self, api: Api, me: wire.User) -> None:
        """Look up every channel. Raises Retry and Paused, where none can be looked up."""
        joined = await _joined(api) if len(self._configured) >= _MANY else {}
        for configured in self._configured:
            await self._resolve(configured, api, me, joined)

    async def recheck(self, api: Api, me: wire.User) -> None:
        """Look again at those that could not be used: we were added somewhere."""
        for configured in self._configured:
            state = self._states[configured.key]
            if state.open:
                continue
            was_heard = state.heard
            await self._resolve(configured, api, me)
            if state.heard and not was_heard:
                self._gap(state)

    def removed(self, channel: ChannelKey, me: wire.User) -> None:
        """We are no member any more."""
        for state in self._states.values():
            if state.key == channel:
                state.member = False
        self._close(channel, to_be_added(self.name(channel), me.username))

    def archived(self, channel: ChannelKey) -> None:
        """Nothing can be posted there any more, until it is restored."""
        self._close(channel, f"channel {self.name(channel)} is archived; restore it, or take it out of the rules")

    def paused(self, channel: ChannelKey) -> None:
        """A send was refused there, of which the core knows: the next look may tell that it is open again."""
        for state in self._states.values():
            if state.key == channel:
                state.open = False
                self._closed.add(channel)

    def _close(self, channel: ChannelKey, reason: str) -> None:
        states = [state for state in self._states.values() if state.key == channel]
        for state in states:
            state.open = state.heard = False
        if states:
            self._closed.add(channel)
            self._host.unavailable(channel, reason)

    async def _resolve(
        self,
        configured: ConfiguredChannel[MattermostChannel],
        api: Api,
        me: wire.User,
        joined: Mapping[str, wire.ChannelInfo] = MappingProxyType({}),
    ) -> None:
        state, settings = self._states[configured.key], configured.settings
        try:
            found = None if settings.channel_id is UNSET else joined.get(settings.channel_id)
            if found is None:
                found = await find_channel(settings, self._settings, api, me)
        except Unavailable as error:
            if error.found is not None:
                await self._known(configured, state, error.found)
            state.open = state.heard = False
            state.member = state.member and error.member
            self._closed.add(state.key)
            self._host.unavailable(state.key, error.reason)
            return
        if found.type == "D":
            found = msgspec.structs.replace(found, display_name=await _partner(found, api, me))
        await self._known(configured, state, found)
        state.open = state.heard = True
        state.newest, state.type, state.team = found.last_post_at, found.type, found.team_id
        if not state.member:
            # what was said while we were not in the channel was not said to us
            state.member = True
            self._gap(state, forget=True)
        if state.key in self._closed:
            self._closed.discard(state.key)
            self._host.available(state.key)

    async def _known(
        self, configured: ConfiguredChannel[MattermostChannel], state: _State, found: wire.ChannelInfo
    ) -> None:
        if state.key != found.id and state.key in self._closed:
            # what was said of the stand-in holds no longer: the channel has an id now
            self._closed.discard(state.key)
            self._host.available(state.key)
        self._by_key[state.key].remove(state)
        state.key, state.name = ChannelKey(found.id), found.display_name or found.name
        self._by_key.setdefault(state.key, []).append(state)
        await self._host.resolved(configured, state.key, state.name)


async def _joined(api: Api) -> dict[str, wire.ChannelInfo]:
    """The channels that we are in, by id, with one call for each team; none where that fails.

    An archived channel is not among them, so that it is looked up by itself and its operator told.
    """
    try:
        return {channel.id: channel for team in await api.teams() for channel in await api.joined(team.id)}
    except (Refusal, Retry):
        return {}


async def find_channel(
    channel: MattermostChannel, settings: MattermostSettings, api: Api, me: wire.User
) -> wire.ChannelInfo:
    """A configured channel on the server, where we are a member of it.

    Raises Unavailable with what to do, and as any call.
    """
    written = _as_written(channel, settings)
    try:
        if channel.channel_id is not UNSET:
            found = await api.channel(ChannelKey(channel.channel_id))
        else:
            found = await api.channel_by_name(*named(channel, settings))
    except Refusal as refusal:
        # a private channel is as good as missing to those who are not in it
        raise Unavailable(
            f"channel {written} is not there for us ({refusal.status}: {refusal.message}) "
            f"Look at its spelling; if it is right, {_add(me.username)}"
        ) from refusal
    name = found.display_name or found.name
    if found.delete_at:
        raise Unavailable(f"channel {name} is archived; restore it, or take it out of the rules", found, member=True)
    try:
        await api.membership(ChannelKey(found.id))
    except Refusal as refusal:
        raise Unavailable(to_be_added(name, me.username), found) from refusal
    return found


async def _partner(channel: wire.ChannelInfo, api: Api, me: wire.User) -> str:
    """What a direct message is called: by the other one, as the server does in its frames."""
    others = [user for user in channel.name.split("__") if user != me.id]
    try:
        return f"@{(await api.user(others[0])).username}" if others else f"@{me.username}"
    except Refusal:
        return ""


def to_be_added(channel: str, username: str) -> str:
    """What is wrong where we are no member, and what the operator is to do."""
    return f"@{username} is no member of channel {channel}: {_add(username)}"


def _add(username: str) -> str:
    return f"add the bot to the channel, by /invite @{username} typed there"


def _as_written(channel: MattermostChannel, settings: MattermostSettings) -> str:
    return channel.channel_id if channel.channel_id is not UNSET else "/".join(named(channel, settings))


async def listed(api: Api) -> list[Listed]:
    """The channels that we are in, by team; archived ones and direct messages aside. Raises as a call, and Refusal."""
    found = []
    for team in await api.teams():
        for channel in await api.joined(team.id):
            if channel.team_id == team.id and not channel.delete_at:
                shown = f"{team.name}/{channel.name}"
                name = f"{shown} ({channel.display_name})" if channel.display_name else shown
                found.append(Listed(name, {"channel_id": channel.id}))
    return sorted(found, key=lambda each: each.name)
