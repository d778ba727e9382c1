"""The methods of the Bot API that make, change and remove messages."""

from __future__ import annotations

from typing import get_args

from msgspec import Struct
from msgspec.structs import replace

from nextbridge.sandbox.telegram.files import LARGEST_PHOTO, as_media, as_photo
from nextbridge.sandbox.telegram.methods import Method, room_of
from nextbridge.sandbox.telegram.parameters import Parameters, Upload
from nextbridge.sandbox.telegram.records import Entity, Kind, Message, Reaction
from nextbridge.sandbox.telegram.refusals import Refusal, bad_request
from nextbridge.sandbox.telegram.rooms import Room
from nextbridge.sandbox.telegram.text import LONGEST_CAPTION, LONGEST_TEXT, checked
from nextbridge.sandbox.telegram.world import Account, World

__all__ = ["EMOJI", "Sending"]

_DELETABLE_SECONDS = 48 * 3600
_ALBUM = range(2, 11)
_PROVEN = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
EMOJI = frozenset(
    "❤👍👎🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🤮💩🙏👌🕊🤡🥱🥴😍🐳🌚🌭💯🤣⚡🍌🏆💔🤨😐"
    "🍓🍾💋🖕😈😴😭🤓👻👀🎃🙈😇😨🤝✍🤗🫡🎅🎄☃💅🤪🗿🆒💘🙉🦄😘💊🙊😎👾🤷😡"
) | {"❤\u200d🔥", "👨\u200d💻", "🤷\u200d♂", "🤷\u200d♀"}
"""What a reaction can be: https://core.telegram.org/bots/api#reactiontypeemoji."""


class _Reply(Struct):
    message_id: int
    chat_id: int | str | None = None
    allow_sending_without_reply: bool = False


class _Item(Struct):
    type: str
    media: str
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    parse_mode: str | None = None


class _Id(Struct):
    message_id: int


class Sending:
    """By name, in `table`."""

    def __init__(self, world: World) -> None:
        self._world = world
        kinds: dict[str, Kind] = {
            f"send{''.join(part.capitalize() for part in kind.split('_'))}": kind
            for kind in get_args(Kind)
            if kind != "sticker"
        }
        self.table: dict[str, Method] = {
            "sendMessage": self._message,
            "sendMediaGroup": self._album,
            "editMessageText": self._edit_text,
            "editMessageCaption": self._edit_caption,
            "deleteMessage": self._delete,
            "deleteMessages": self._delete_many,
            "setMessageReaction": self._react,
            **{name: self._sender(kind) for name, kind in kinds.items()},
        }

    # --- new ones -----------------------------------------------------------------------------------------------------

    async def _message(self, bot: Account, parameters: Parameters) -> Message:
        room, place = self._place(bot, parameters)
        text, entities = self._text(parameters, "text", "entities", LONGEST_TEXT)
        if not text:
            raise bad_request("message text is empty")
        bot.flood.spend(room.id, 1)
        return self._world.post(room, bot.user, text=text, entities=entities, **place)

    def _sender(self, kind: Kind) -> Method:
        async def send(bot: Account, parameters: Parameters) -> Message:
            room, place = self._place(bot, parameters)
            room.require_sending(bot.user, kind)
            content = self._media(kind, parameters.upload(kind), parameters.text(kind))
            caption, entities = self._text(parameters, "caption", "caption_entities", LONGEST_CAPTION)
            bot.flood.spend(room.id, 1)
            if caption:
                content |= {"caption": caption, "caption_entities": entities}
            return self._world.post(room, bot.user, **content, **place)

        return send

    async def _album(self, bot: Account, parameters: Parameters) -> list[Message]:
        room, place = self._place(bot, parameters)
        items = parameters.structure("media", tuple[_Item, ...], ())
        if len(items) not in _ALBUM:
            raise bad_request("wrong number of items: there must be 2 to 10 of them")
        kinds = {item.type for item in items}
        if len(kinds) > 1 and not kinds <= {"photo", "video"}:
            raise bad_request("message content type can't be mixed in an album: document and audio stand alone")
        album = self._world.new_group_of_media()
        contents: list[dict[str, object]] = []
        for item in items:
            if item.type not in {"photo", "video", "document", "audio"}:
                raise bad_request(f"type {item.type} can't be in an album")
            kind: Kind = item.type  # type: ignore[assignment]
            room.require_sending(bot.user, kind)
            upload = parameters.upload(item.media.removeprefix("attach://"))
            content = self._media(kind, upload, item.media) | {"media_group_id": album}
            if item.parse_mode:
                raise _no_parse_mode()
            if item.caption:
                said, entities = checked(
                    item.caption, item.caption_entities, most=LONGEST_CAPTION, what="message caption"
                )
                content |= {"caption": said, "caption_entities": entities}
            contents.append(content)
        bot.flood.spend(room.id, len(contents))
        return [self._world.post(room, bot.user, **content, **place) for content in contents]

    def _place(self, bot: Account, parameters: Parameters) -> tuple[Room, dict[str, object]]:
        """Where a message goes and what it answers. Raises Refusal."""
        room = room_of(self._world, parameters)
        thread = parameters.number("message_thread_id") or None
        room.require_posting(bot.user, thread)
        if room.chat.type == "private" and bot.user.id not in room.members:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        place: dict[str, object] = {}
        reply = parameters.structure("reply_parameters", _Reply, _Reply(0))
        if reply.message_id:
            answered = room.said.get(reply.message_id)
            if answered is not None:
                place["reply_to_message"] = replace(answered.message, reply_to_message=None)
                thread = thread or answered.message.message_thread_id
            elif not reply.allow_sending_without_reply:
                raise bad_request("message to be replied not found")
        if thread is not None:
            place["message_thread_id"] = thread
        return room, place

    def _text(self, parameters: Parameters, name: str, entities: str, most: int) -> tuple[str, tuple[Entity, ...]]:
        if parameters.text("parse_mode"):
            raise _no_parse_mode()
        given = parameters.structure(entities, tuple[Entity, ...], ())
        given = tuple(self._with_user(each) for each in given)
        return checked(parameters.text(name), given, most=most, what="message" if name == "text" else "message caption")

    def _with_user(self, entity: Entity) -> Entity:
        """A call with the whole user whom it calls."""
        if entity.user is None:
            return entity
        return replace(entity, user=self._world.users.get(entity.user.id, entity.user))

    def _media(self, kind: Kind, upload: Upload | None, reference: str) -> dict[str, object]:
        """The field of a message that holds a file, new or sent before."""
        files = self._world.files
        if upload is None:
            kept = files.find(reference)
            if kept is None:
                raise bad_request("wrong remote file identifier specified: Wrong string length")
        else:
            if not upload.content:
                raise bad_request("file must be non-empty")
            limit = LARGEST_PHOTO if kind == "photo" else files.largest_upload
            if len(upload.content) > limit:
                raise Refusal(413, "Request Entity Too Large")
            if kind == "photo" and not upload.content.startswith(_PROVEN):
                raise bad_request("IMAGE_PROCESS_FAILED")
            kept = files.keep(kind, upload.name, upload.media_type, upload.content)
        return {kind: as_photo(kept) if kind == "photo" else as_media(kept)}

    # --- those that are there -----------------------------------------------------------------------------------------

    async def _edit_text(self, bot: Account, parameters: Parameters) -> Message:
        room, message = self._own(bot, parameters)
        text, entities = self._text(parameters, "text", "entities", LONGEST_TEXT)
        if message.text is None:
            raise bad_request("there is no text in the message to edit")
        if not text:
            raise bad_request("message text is empty")
        if (text, entities) == (message.text, message.entities):
            raise _not_modified()
        return self._world.edit(room, bot.user, message, text=text, entities=entities)

    async def _edit_caption(self, bot: Account, parameters: Parameters) -> Message:
        room, message = self._own(bot, parameters)
        caption, entities = self._text(parameters, "caption", "caption_entities", LONGEST_CAPTION)
        if not message.media:
            raise bad_request("there is no caption in the message to edit")
        if (caption, entities) == (message.caption or "", message.caption_entities):
            raise _not_modified()
        return self._world.edit(room, bot.user, message, caption=caption or None, caption_entities=entities)

    def _own(self, bot: Account, parameters: Parameters) -> tuple[Room, Message]:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        said = room.find(parameters.number("message_id"), "message to edit not found")
        message = said.message
        is_ours = said.sender == bot.user.id or room.posters.get(message.message_id) == bot.user.id
        if not is_ours and not (room.chat.type == "channel" and room.member(bot.user).can_edit_messages):
            raise bad_request("message can't be edited")
        return room, message

    async def _delete(self, bot: Account, parameters: Parameters) -> bool:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        number = parameters.number("message_id")
        self._check_deletion(bot, room, number)
        del room.said[number]
        return True

    async def _delete_many(self, bot: Account, parameters: Parameters) -> bool:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        # what is not there is skipped
        numbers = [each for each in parameters.structure("message_ids", tuple[int, ...], ()) if each in room.said]
        for number in numbers:
            self._check_deletion(bot, room, number)
        for number in numbers:
            del room.said[number]
        return True

    def _check_deletion(self, bot: Account, room: Room, number: int) -> None:
        """Raise the Refusal that a deletion meets; see https://core.telegram.org/bots/api#deletemessage."""
        said = room.find(number, "message to delete not found")
        is_ours = said.sender == bot.user.id or room.posters.get(number) == bot.user.id
        may = is_ours or room.chat.type == "private" or bool(room.member(bot.user).can_delete_messages)
        if not may or said.message.date < self._world.now - _DELETABLE_SECONDS:
            raise bad_request("message can't be deleted for everyone" if may else "message can't be deleted")

    async def _react(self, bot: Account, parameters: Parameters) -> bool:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        number = parameters.number("message_id")
        reactions = parameters.structure("reaction", tuple[Reaction, ...], ())
        said = room.find(number, "message to react not found")
        if said.message.is_service:
            raise bad_request("message can't be reacted")
        if len(reactions) > 1:
            raise bad_request("REACTIONS_TOO_MANY")
        for each in reactions:
            allowed = EMOJI if room.reactions is None else room.reactions
            if each.type != "emoji" or each.emoji not in allowed:
                raise bad_request("REACTION_INVALID")
        self._world.react(room, bot.user, number, [each.emoji for each in reactions])
        return True


def _no_parse_mode() -> Refusal:
    return bad_request("this stand-in plays no parse_mode; give entities")


def _not_modified() -> Refusal:
    return bad_request(
        "message is not modified: specified new message content and reply markup are exactly the same as a current "
        "content and reply markup of the message"
    )
