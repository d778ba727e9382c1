"""The chats of the operator's file: which id each has, whether we may read and write there, and where they moved to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from drivers.telegram import wire
from drivers.telegram.api import Api, Migrated, Refusal
from drivers.telegram.people import People
from drivers.telegram.settings import Place, TelegramChannel, configured_place, place_of
from nextbridge.driver import ConfiguredChannel, Host, Listed
from nextbridge.envelope import ChannelKey

__all__ = ["Chats", "Looked", "look"]

_MOVES = "moved chats"
"""The key of the store: ids of groups, and of the supergroups that they became."""
_MOST_MOVES = 1000


class Looked(Struct, frozen=True):
    """What a look at a chat found."""

    chat: wire.FullChat
    member: wire.ChatMember | None
    """Our own standing; None in a private chat."""
    problem: str = ""
    """Why nothing can be sent there, and what to do; empty where it can."""


class _State(Struct):
    place: Place
    name: str
    found: bool = False
    open: bool = False


class Chats:
    """Resolves the configured chats and tells the host which can be used. Knows their names for messages."""

    def __init__(self, configured: Sequence[ConfiguredChannel[TelegramChannel]], host: Host, people: People) -> None:
        self._configured = configured
        self._host = host
        self._people = people
        self._moves: dict[str, int] = {}
        self._states = {each.key: _State(configured_place(each.settings), each.key) for each in configured}
        self.topics: dict[int, set[int | None]] = {}
        """Those of the file, by chat; None is General, or a chat without topics."""

    def name(self, channel: ChannelKey) -> str:
        """What people call a channel; its key where that is not known."""
        return next((state.name for state in self._states.values() if state.place.key == channel), channel)

    def place(self, channel: ChannelKey) -> Place | None:
        """Where something for a channel goes now, though its key may be from before the group moved."""
        found = place_of(channel)
        if found is None or found.chat not in self._moves:
            return found
        return Place(str(self._moves[found.chat]), found.topic)

    async def resolve(self, api: Api, me: wire.User, *, again: int | None = None) -> None:
        """Look up the chats that are not known to be open, and those with the id `again`. Raises Retry and Paused."""
        await self._load()
        for configured in self._configured:
            state = self._states[configured.key]
            if not state.open or state.place.id == again:
                await self._resolve(configured, state, api, me)

    async def _resolve(
        self, configured: ConfiguredChannel[TelegramChannel], state: _State, api: Api, me: wire.User
    ) -> None:
        if state.place.chat in self._moves:
            state.place = Place(str(self._moves[state.place.chat]), state.place.topic)
        try:
            found = await look(state.place, api, me)
        except Migrated as moved:
            await self.moved(int(state.place.chat), moved.chat)
            found = await look(state.place, api, me)
        except Refusal as refusal:
            state.open = False
            self._host.unavailable(state.place.key, unknown_chat(state.place, refusal))
            return
        if not state.found or state.place.id is None:
            await self._known(configured, state, found.chat)
        if found.problem:
            self._close(state, found.problem)
            return
        if not state.open:
            state.open = True
            self._host.available(state.place.key)
        await self._remember_administrators(found.chat, api)
        if found.member is not None and not found.member.is_administrator and not me.can_read_all_group_messages:
            self._host.log.error("messages_not_heard", channel=state.name, reason=privacy(me))

    async def _known(self, configured: ConfiguredChannel[TelegramChannel], state: _State, chat: wire.FullChat) -> None:
        if not state.found:
            self._host.available(state.place.key)  # what was said of a name holds no longer: the chat has an id now
        state.place, state.found = Place(str(chat.id), state.place.topic), True
        state.name = chat.name if state.place.topic is None else f"{chat.name} / {state.place.topic}"
        self.topics.setdefault(chat.id, set()).add(state.place.topic)
        await self._host.resolved(configured, state.place.key, state.name)

    async def _remember_administrators(self, chat: wire.FullChat, api: Api) -> None:
        """So that they can be called before they have said anything."""
        if chat.type not in {"group", "supergroup"}:
            return
        try:
            for member in await api.call("getChatAdministrators", list[wire.ChatMember], chat_id=chat.id):
                self._people.seen(chat.id, member.user)
        except (Refusal, Migrated):
            return

    # --- what changes -------------------------------------------------------------------------------------------------

    async def moved(self, old: int, new: int) -> None:
        """A group became a supergroup: what was to go there goes to the new one, for ever."""
        if self._moves.get(str(old)) == new:
            return
        self._moves[str(old)] = new
        while len(self._moves) > _MOST_MOVES:
            self._moves.pop(next(iter(self._moves)))
        await self._host.store.set(_MOVES, msgspec.json.encode(self._moves).decode())
        for configured in self._configured:
            state = self._states[configured.key]
            if state.place.chat == str(old):
                state.place = Place(str(new), state.place.topic)
                await self._host.resolved(configured, state.place.key, state.name)
                self._host.log.warning("group_moved", channel=state.name, chat=new, reason=_moved(old, new))

    async def met(self, chat: wire.Chat, topic: int | None = None) -> None:
        """Something comes from a chat: where it is none of the file's, an operator may want to know what to write."""
        if chat.type != "private" and topic not in self.topics.get(chat.id, ()):
            await self._host.sighted(_listed(chat, topic))

    async def membership(self, changed: wire.MemberUpdated, api: Api, me: wire.User) -> None:
        """Our standing in a chat is another now."""
        if changed.new_chat_member.is_in:
            await self.met(changed.chat)
            await self.resolve(api, me, again=changed.chat.id)
            return
        await self._host.sighted(_listed(changed.chat, None), gone=True)
        for state in self._states.values():
            if state.place.id == changed.chat.id:
                self._close(state, to_be_added(changed.chat.name, me.username))

    def renamed(self, chat: int, title: str) -> None:
        """People call a chat something else now."""
        for state in self._states.values():
            if state.place.id == chat:
                state.name = title if state.place.topic is None else f"{title} / {state.place.topic}"

    def paused(self, channel: ChannelKey) -> None:
        """A send was refused there, of which the core knows; the next look may tell that it is open again."""
        for state in self._states.values():
            if state.place.key == channel:
                state.open = False

    def _close(self, state: _State, problem: str) -> None:
        state.open = False
        self._host.unavailable(state.place.key, problem)

    async def _load(self) -> None:
        kept = await self._host.store.get(_MOVES)
        if kept is not None and not self._moves:
            self._moves = msgspec.json.decode(kept, type=dict[str, int])


async def look(place: Place, api: Api, me: wire.User) -> Looked:
    """A chat, and what we may do there. Raises Refusal, Migrated, Retry and Paused."""
    reference: int | str = place.chat if place.id is None else place.id
    chat = await api.call("getChat", wire.FullChat, chat_id=reference)
    if chat.type == "private":
        return Looked(chat, None)
    try:
        member = await api.call("getChatMember", wire.ChatMember, chat_id=chat.id, user_id=me.id)
    except Refusal as refusal:
        if refusal.status == 403 or refusal.says("member list is inaccessible", "chat not found"):
            return Looked(chat, None, to_be_added(chat.name, me.username))
        raise
    return Looked(chat, member, _problem(chat, member, place, me))


def _problem(chat: wire.FullChat, member: wire.ChatMember, place: Place, me: wire.User) -> str:
    if not member.is_in:
        return to_be_added(chat.name, me.username)
    if chat.type == "channel" and not member.can_post_messages:
        return f"@{me.username} may not post in channel {chat.name}: make it an administrator who may post messages"
    if member.status == "restricted" and member.can_send_messages is False:
        return f"@{me.username} may not write in {chat.name}: lift its restriction there"
    if place.topic is not None and not chat.is_forum:
        return f"{chat.name} has no topics: leave `topic` out, or turn topics on in the group's settings"
    return ""


def _listed(chat: wire.Chat, topic: int | None) -> Listed:
    if topic is None:
        return Listed(chat.name, {"chat": chat.id})
    return Listed(f"{chat.name} / {topic}", {"chat": chat.id, "topic": topic})


def unknown_chat(place: Place, refusal: Refusal) -> str:
    """What is wrong where a chat is not there for us, and what the operator is to do."""
    return (
        f"chat {place.chat} is not there for us ({refusal.description}): look at its id or name; if it is right, add "
        "the bot to the chat"
    )


def to_be_added(chat: str, username: str) -> str:
    """What is wrong where we are no member, and what the operator is to do."""
    return f"@{username} is no member of {chat}: add the bot to the chat"


def privacy(me: wire.User) -> str:
    """What is wrong where the bot hears commands alone, and what the operator is to do."""
    return (
        f"@{me.username} is told only of commands and answers there: in @BotFather turn its Group Privacy off "
        "(/setprivacy), then remove it from the group and add it again; or make it an administrator"
    )


def _moved(old: int, new: int) -> str:
    return f"the group is a supergroup now; write {new} in place of {old} into the file"
