"""What the server itself posts into a channel of joins, leaves and headers, as the events that they are.

Its words are in the server's language: who did what is in the post's props.
"""

from __future__ import annotations

from typing import Any

from drivers.mattermost import wire
from drivers.mattermost.events import PostReader, Skipped
from nextbridge.envelope import Joined, Left, MessageId, TopicChanged
from nextbridge.markup import PLAIN, Dialect

__all__ = ["notice_of"]

_CAME = {"system_join_channel", "system_guest_join_channel", "system_join_team"}
_WENT = {"system_leave_channel", "system_leave_team"}
_ADDED = {"system_add_to_channel", "system_add_guest_to_chan", "system_add_to_team"}
_REMOVED = {"system_remove_from_channel", "system_remove_from_team"}
_HEADER = {"system_header_change"}


async def notice_of(
    post: wire.Post, data: wire.PostedData, reader: PostReader, dialect: Dialect
) -> Joined | Left | TopicChanged:
    """The event of a system post. Raises Skipped where it is none: of another kind, or of what we ourselves did."""
    props = wire.PostProps(post.props)
    who, name = post.user_id, props.text("username")
    if post.type in _ADDED:
        who, name = props.text("addedUserId"), props.text("addedUsername")
    elif post.type in _REMOVED:
        who, name = props.text("removedUserId"), props.text("removedUsername")
    elif post.type not in _CAME | _WENT | _HEADER:
        who = ""
    if not who:
        raise Skipped("system_post", post)
    if who == reader.me.id:
        raise Skipped("own_post", post)
    about: dict[str, Any] = {
        "channel": reader.channel(post.channel_id),
        "message": MessageId(post.id),
        "author": await reader.person(who, name),
        "at": post.create_at,
        "channel_name": data.channel_display_name,
    }
    if post.type in _HEADER:
        return TopicChanged(**about, topic=PLAIN.write(dialect.read(props.text("new_header")).blocks))
    if post.type in _CAME | _ADDED:
        return Joined(**about)
    is_removed = post.type in _REMOVED and who != post.user_id
    return Left(**about, reason=f"removed by {(await reader.person(post.user_id)).name}" if is_removed else "")
