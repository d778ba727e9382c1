"""The channels of the operator's file in the workspace: which id each has, and whether we are in it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from drivers.slack.events import Me
from drivers.slack.history import Reached
from drivers.slack.people import People
from drivers.slack.settings import SlackChannel, name_of
from nextbridge.driver import ConfiguredChannel, Host, Position
from nextbridge.envelope import ChannelKey
from nextbridge.errors import Retry

__all__ = ["Channels", "Unavailable", "find_channel", "joined_channels", "to_be_invited"]

_PAGE = "1000"
_MOST_PAGES = 20


class Unavailable(Exception):
    """A channel that cannot be used for now: `reason` says what the operator is to do."""

    def __init__(self, reason: str, found: wire.ChannelInfo | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.found = found


class _State(Struct):
    """What is known of a configured channel."""

    key: ChannelKey
    written: str
    """As the file names it."""
    name: str = ""
    open: bool = False
    member: bool = True
    """False once Slack has said that we are none."""
    newest: str | None = None
    """The newest message by the latest look; None where more may have come unheard since."""


class Channels:
    """Resolves the configured channels, and tells the host which can be used. Knows their names."""

    def __init__(self, configured: Sequence[ConfiguredChannel[SlackChannel]], host: Host, people: People) -> None:
        self._configured = configured
        self._host = host
        self._people = people
        self._states = {each.key: _State(each.key, as_written(each.settings)) for each in configured}
        self._closed: set[ChannelKey] = set()
        """Channels that the host was told are unavailable."""

    def knows(self, channel: str) -> bool:
        """Whether it is one of the file's."""
        return any(state.key == channel for state in self._states.values())

    def name(self, channel: str) -> str:
        """What people call a channel: its name where it is known, else its id."""
        return next((state.name or state.written for state in self._states.values() if state.key == channel), channel)

    async def resolve(self, api: Api, me: Me) -> None:
        """Look up every channel, and where it stands. Raises Retry and Paused, where none can be looked up."""
        named = any(each.settings.channel_id is UNSET for each in self._configured)
        joined = await joined_channels(api) if named or len(self._configured) > 1 else {}
        for configured in self._configured:
            await self._resolve(configured, api, me, joined)

    async def recheck(self, api: Api, me: Me) -> None:
        """Look again at those that could not be used: we were added somewhere, or one was taken out of the archive."""
        for configured in self._configured:
            if not self._states[configured.key].open:
                await self._resolve(configured, api, me, {})
                self._begin(self._states[configured.key])

    def began(self) -> None:
        """From here on events come: what was said before is only in the history."""
        for state in self._states.values():
            self._begin(state)

    def _begin(self, state: _State) -> None:
        if state.open:
            # what was said while we were not in the channel was not said to us
            self._gap(state, forget=not state.member)
            state.member = True

    def missed(self) -> None:
        """Events are missing, of whichever channel."""
        for state in self._states.values():
            state.newest = None
            if state.open:
                self._gap(state)

    def _gap(self, state: _State, *, forget: bool = False) -> None:
        newest = None
        if state.newest is not None:
            newest = Position(Reached(state.newest).cursor(state.key), wire.milliseconds(state.newest))
        self._host.gap(state.key, newest, forget=forget and newest is not None)

    def left(self, channel: str, me: Me) -> None:
        """We are in it no more."""
        for state in self._states.values():
            if state.key == channel:
                state.member = False
        self._close(channel, to_be_invited(self.name(channel), me))

    def archived(self, channel: str) -> None:
        """Nothing can be posted there any more."""
        self._close(channel, _archived(self.name(channel)))

    def paused(self, channel: str) -> None:
        """A send was refused there, of which the core knows: the next look may tell that it is open again."""
        for state in self._states.values():
            if state.key == channel:
                state.open = False
                self._closed.add(state.key)

    def _close(self, channel: str, reason: str) -> None:
        for state in self._states.values():
            if state.key == channel and state.open:
                state.open = False
                self._closed.add(state.key)
                self._host.unavailable(state.key, reason)

    async def _resolve(
        self,
        configured: ConfiguredChannel[SlackChannel],
        api: Api,
        me: Me,
        joined: dict[str, wire.ChannelInfo],
    ) -> None:
        state = self._states[configured.key]
        try:
            found = await find_channel(configured.settings, api, me, joined)
            newest = await _newest(api, found)
        except Unavailable as error:
            if error.found is not None:
                await self._known(configured, state, error.found)
                state.member = state.member and error.found.is_member
            state.open = False
            self._closed.add(state.key)
            self._host.unavailable(state.key, error.reason)
            return
        await self._known(configured, state, found)
        state.open, state.newest = True, newest
        if state.key in self._closed:
            self._closed.discard(state.key)
            self._host.available(state.key)

    async def _known(self, configured: ConfiguredChannel[SlackChannel], state: _State, found: wire.ChannelInfo) -> None:
        if state.key != found.id and state.key in self._closed:
            # what was said of the stand-in holds no longer: the channel has an id now
            self._closed.discard(state.key)
            self._host.available(state.key)
        state.key, state.name = ChannelKey(found.id), found.name or state.written
        self._people.channel_called(found.id, found.name)
        await self._host.resolved(configured, state.key, state.name)


async def joined_channels(api: Api) -> dict[str, wire.ChannelInfo]:
    """The channels that we are in, by id and by name; none where they are not told."""
    found: dict[str, wire.ChannelInfo] = {}
    cursor = ""
    kinds = [
        kind
        for scope, kind in (("channels:read", "public_channel"), ("groups:read", "private_channel"))
        if api.scopes is None or api.may(scope)
    ]
    for _ in range(_MOST_PAGES if kinds else 0):
        more = {"cursor": cursor} if cursor else {}
        try:
            page = await api.look_up(
                "users.conversations",
                wire.ChannelList,
                types=",".join(kinds),
                exclude_archived="true",
                limit=_PAGE,
                **more,
            )
        except (Refusal, Retry):
            break
        for channel in page.channels:
            known = wire.ChannelInfo(channel.id, channel.name, is_member=True)
            found[channel.id] = known
            found.setdefault(f"#{channel.name}", known)
        cursor = page.response_metadata.next_cursor if page.response_metadata else ""
        if not cursor:
            break
    return found


async def find_channel(
    channel: SlackChannel, api: Api, me: Me, joined: dict[str, wire.ChannelInfo]
) -> wire.ChannelInfo:
    """A configured channel, where we are in it. `joined` are those that we are known to be in.

    Raises Unavailable with what to do, and as any call.
    """
    if channel.channel_id is UNSET:
        name = name_of(channel)
        found = joined.get(f"#{name}") or (await joined_channels(api)).get(f"#{name}")
        if found is None:
            raise Unavailable(f"@{me.name} is in no channel that is called #{name}: {_invite(me)}, or look at its name")
        return found
    if (known := joined.get(channel.channel_id)) is not None:
        return known
    try:
        found = (await api.look_up("conversations.info", wire.Opened, channel=channel.channel_id)).channel
    except Refusal as refusal:
        if refusal.error == "missing_scope":
            raise Unavailable(f"the app may not look at channels: add the scope {refusal.needed}") from refusal
        raise Unavailable(
            f"channel {channel.channel_id} is not there for us ({refusal}): look at its id; else {_invite(me)}"
        ) from refusal
    if found.is_archived:
        raise Unavailable(_archived(found.name), found)
    if not found.is_member and not found.is_im:
        raise Unavailable(to_be_invited(found.name, me), found)
    return found


async def _newest(api: Api, channel: wire.ChannelInfo) -> str:
    """The ts of the newest message in a channel; one before all others where there is none."""
    try:
        page = await api.look_up("conversations.history", wire.Messages, channel=channel.id, limit="1")
    except Refusal as refusal:
        if refusal.error == "missing_scope":
            raise Unavailable(
                f"the app may not read what is said in {channel.name}: add the scope {refusal.needed}", channel
            ) from refusal
        raise Unavailable(f"what is said in {channel.name} cannot be read: {refusal}", channel) from refusal
    newest = page.messages[0] if page.messages else None
    ts = newest.get("ts") if isinstance(newest, dict) else None
    return ts if isinstance(ts, str) else "0.000000"


def to_be_invited(channel: str, me: Me) -> str:
    """What is wrong where we are in no channel, and what the operator is to do."""
    return f"@{me.name} is not in channel {channel}: {_invite(me)}"


def _invite(me: Me) -> str:
    return f"add the app to the channel, by /invite @{me.name} typed there"


def _archived(channel: str) -> str:
    return f"channel {channel} is archived; take it out of the archive, or out of the rules"


def as_written(channel: SlackChannel) -> str:
    """A channel as the file names it."""
    return channel.channel_id if channel.channel_id is not UNSET else f"#{name_of(channel)}"
