"""What is done to posts that are there: edits, deletions and reactions, as the events that they are.

A `post_edited` frame also tells of pins and the like: only an edit has another `edit_at`. What a program says anew in
its attachments alone has not: that is told by what they said when the post was heard. A post's own frame does not
say who edited it, and older servers do not say who deleted it: then it was its author.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict

import msgspec
from msgspec.structs import replace

from drivers.mattermost import wire
from drivers.mattermost.events import PostReader, Skipped, attached_lines
from nextbridge.envelope import Deleted, Edited, MessageId, Reacted
from nextbridge.markup.emoji import character

__all__ = ["Changes", "deletion_of", "edit_of", "reaction_of"]

_EDITS_KNOWN = 10_000


class Changes:
    """Reads changes for one account, over all its connections."""

    def __init__(self) -> None:
        self._edited: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """When posts were last edited, and to what. What is forgotten costs an event under the same key."""
        self._attached: OrderedDict[str, int] = OrderedDict()
        """What the attachments of posts said last, as a checksum. Of what is forgotten only a new text is seen."""

    def posted(self, post: wire.Post) -> None:
        """Remember what a new post says in its attachments. To be called before it can be edited."""
        if said := _attached(post):
            self._remember(post.id, said)

    async def edited(self, post: wire.Post, reader: PostReader) -> Edited:
        """The event of a post that was changed. Raises Skipped where it says what it said, or is our own."""
        said, before = _attached(post), self._attached.get(post.id)
        last, version = self._edited.get(post.id, (1, "")), _version(post)
        if post.user_id != reader.me.id and (post.edit_at < last[0] or version == last[1]):
            if before is None or said == before:
                raise Skipped("post_touched", post)
            post = replace(post, edit_at=post.update_at)
            version = _version(post)
        event = await edit_of(post, reader)
        self._edited[post.id] = post.edit_at, version
        self._edited.move_to_end(post.id)
        if len(self._edited) > _EDITS_KNOWN:
            self._edited.popitem(last=False)
        if said or before is not None:
            self._remember(post.id, said)
        return event

    def _remember(self, post: str, said: int) -> None:
        self._attached[post] = said
        self._attached.move_to_end(post)
        if len(self._attached) > _EDITS_KNOWN:
            self._attached.popitem(last=False)


def _attached(post: wire.Post) -> int:
    """A checksum of what a post says in its attachments; 0 where it has none."""
    if b'"attachments"' not in bytes(post.props):  # as nearly always
        return 0
    lines = attached_lines(wire.PostProps(post.props))
    return zlib.crc32("\0".join(lines).encode("utf-8", "surrogatepass")) if lines else 0


async def edit_of(post: wire.Post, reader: PostReader) -> Edited:
    """The newest edit of an edited post. Raises Skipped where it is our own."""
    if post.type.startswith("system_"):
        raise Skipped("system_post", post)
    if post.user_id == reader.me.id:
        raise Skipped("own_post", post)
    content = await reader.content(post)
    return Edited(
        channel=reader.channel(post.channel_id),
        message=MessageId(post.id),
        author=await reader.author(post),
        at=post.edit_at,
        version=_version(post),
        mark=wire.PostProps(post.props).mark,
        text=content.text,
        attachments=content.attachments,
        action=content.action,
    )


def _version(post: wire.Post) -> str:
    """Tells edits apart: two may be of one millisecond."""
    says = "\0".join((post.message, *(post.file_ids or ())))
    return f"{post.edit_at}-{zlib.crc32(says.encode('utf-8', 'surrogatepass')):08x}"


async def deletion_of(post: wire.Post, by: str, at: int, reader: PostReader) -> Deleted:
    """The event of a post that is gone; `by` is who deleted it, where that is known.

    Raises Skipped where it was us, or may have been.
    """
    deleter = by or wire.PostProps(post.props).text("deleteBy") or post.user_id
    if deleter == reader.me.id:
        raise Skipped("own_post", post)
    if post.type.startswith("system_"):
        raise Skipped("system_post", post)
    return Deleted(
        channel=reader.channel(post.channel_id),
        message=MessageId(post.id),
        author=await (reader.author(post) if deleter == post.user_id else reader.person(deleter)),
        at=at,
        mark=wire.PostProps(post.props).mark if deleter == post.user_id else None,
        with_thread=not post.root_id,
    )


async def reaction_of(frame: wire.Frame, now: int, reader: PostReader) -> Reacted | None:
    """The event of a reaction that was put on a post or taken away; None where it is our own."""
    told = msgspec.json.decode(frame.data, type=wire.ReactionData)
    reaction = msgspec.json.decode(told.reaction, type=wire.Reaction)
    if reaction.user_id == reader.me.id:
        return None
    at = reaction.update_at or reaction.create_at or now
    added = frame.event == "reaction_added"
    return Reacted(
        channel=reader.channel((frame.broadcast or wire.Broadcast()).channel_id),
        message=MessageId(reaction.post_id),
        author=await reader.person(reaction.user_id),
        at=at,
        version=f"{reaction.user_id} {reaction.emoji_name} {'+' if added else '-'}{at}",
        emoji=character(reaction.emoji_name) or reaction.emoji_name,
        added=added,
    )
