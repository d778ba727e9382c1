"""Every post that was made, old versions of edited ones included, and the ways to look through them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from nextbridge.sandbox.mattermost.files import Files
from nextbridge.sandbox.mattermost.records import (
    ChannelId,
    Embed,
    Metadata,
    Post,
    PostId,
    PostList,
    Reaction,
    UserId,
    new_id,
)
from nextbridge.sandbox.mattermost.refusals import Refusal

__all__ = ["Posts"]

MOST_SINCE = 1000
"""The most rows that `since` gives; it does not page."""


class Posts:
    """Rows are never removed: a deletion marks them."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._posts: dict[PostId, Post] = {}
        self._in_channel: dict[ChannelId, list[Post]] = {}
        self._replies: dict[str, list[Post]] = {}
        self._reactions: dict[PostId, dict[tuple[UserId, str], Reaction]] = {}

    def insert(self, post: Post) -> None:
        self._posts[post.id] = post
        self._in_channel.setdefault(post.channel_id, []).append(post)
        if post.root_id and not post.original_id:
            self._replies.setdefault(post.root_id, []).append(post)

    def keep_old_version(self, post: Post, replaced_at: int) -> None:
        """An edited or pinned post leaves its old version as a deleted row that names it."""
        old = msgspec.structs.replace(
            post, id=PostId(new_id()), original_id=post.id, delete_at=replaced_at, update_at=replaced_at
        )
        self.insert(old)

    def find(self, post_id: str) -> Post | None:
        """None where there is none, or it was deleted."""
        post = self._posts.get(PostId(post_id))
        return None if post is None or post.delete_at else post

    def post(self, post_id: str) -> Post:
        post = self.find(post_id)
        if post is None:
            raise Refusal(404, "app.post.get.app_error", "Unable to get the post.")
        return post

    def replies(self, root_id: str) -> list[Post]:
        return [reply for reply in self._replies.get(root_id, ()) if not reply.delete_at]

    def thread(self, post: Post) -> list[Post]:
        """The root and its replies, oldest first; `post` is any of them."""
        root = self._posts[PostId(post.root_id or post.id)]
        return [p for p in (root, *self._replies.get(root.id, ())) if not p.delete_at]

    def live(self, channel_id: ChannelId) -> list[Post]:
        """Oldest first."""
        # A sort is stable: posts of the same millisecond stay in the order in which they were made.
        return sorted((p for p in self._in_channel.get(channel_id, ()) if not p.delete_at), key=_made)

    def page(self, channel_id: ChannelId, page: int, per_page: int) -> PostList:
        newest_first = self.live(channel_id)[::-1]
        return self._listed(newest_first, newest_first[page * per_page : (page + 1) * per_page])

    def after(self, channel_id: ChannelId, anchor: str, page: int, per_page: int) -> PostList:
        """The posts that follow the anchor.

        As on the real server only the time decides, so what was made in the anchor's own millisecond is left out.
        """
        newest_first = self.live(channel_id)[::-1]
        then = self._posts.get(PostId(anchor))
        later = [] if then is None else [p for p in newest_first if p.create_at > then.create_at]
        end = len(later) - page * per_page
        return self._listed(newest_first, later[max(0, end - per_page) : max(0, end)])

    def before(self, channel_id: ChannelId, anchor: str, page: int, per_page: int) -> PostList:
        newest_first = self.live(channel_id)[::-1]
        then = self._posts.get(PostId(anchor))
        earlier = [] if then is None else [p for p in newest_first if p.create_at < then.create_at]
        return self._listed(newest_first, earlier[page * per_page : (page + 1) * per_page])

    def since(self, channel_id: ChannelId, time: int) -> PostList:
        """What was made, edited or deleted after `time`, by creation; old versions are among it."""
        changed = [p for p in self._in_channel.get(channel_id, ()) if p.update_at > time]
        changed = sorted(changed, key=lambda p: p.update_at)[-MOST_SINCE:]
        changed.sort(key=_made, reverse=True)
        roots = [self._posts[PostId(p.root_id)] for p in changed if p.root_id]
        return PostList([p.id for p in changed], self._shown(*changed, *roots))

    def pinned(self, channel_id: ChannelId) -> PostList:
        newest_first = [p for p in self.live(channel_id)[::-1] if p.is_pinned]
        return PostList([p.id for p in newest_first], self._shown(*newest_first))

    def whole_thread(self, post: Post) -> PostList:
        newest_first = self.thread(post)[::-1]
        return PostList([p.id for p in newest_first], self._shown(*newest_first))

    def last_change(self, channel_id: ChannelId) -> int:
        return max((p.update_at for p in self._in_channel.get(channel_id, ())), default=0)

    def as_shown(self, post: Post) -> Post:
        """With what the server adds for its clients. Of a deleted post nothing but its place is shown."""
        if post.delete_at:
            return msgspec.structs.replace(post, message="", file_ids=UNSET, reply_count=0, metadata=Metadata())
        metadata = Metadata()
        if post.props.get("attachments"):
            metadata.embeds = [Embed("message_attachment")]
        if post.file_ids:
            metadata.files = self._files.infos(post.file_ids)
        if reactions := self.reactions(post.id):
            metadata.reactions = reactions
        return msgspec.structs.replace(post, reply_count=len(self.replies(post.root_id or post.id)), metadata=metadata)

    def reactions(self, post_id: PostId) -> list[Reaction]:
        return list(self._reactions.get(post_id, {}).values())

    def add_reaction(self, reaction: Reaction) -> None:
        self._reactions.setdefault(reaction.post_id, {})[reaction.user_id, reaction.emoji_name] = reaction

    def remove_reaction(self, post_id: PostId, user_id: UserId, emoji_name: str) -> bool:
        return self._reactions.get(post_id, {}).pop((user_id, emoji_name), None) is not None

    def _listed(self, newest_first: list[Post], chosen: list[Post]) -> PostList:
        if not chosen:
            return PostList([], {})
        first, last = newest_first.index(chosen[0]), newest_first.index(chosen[-1])
        threads = [p for post in chosen if post.root_id or self.replies(post.id) for p in self.thread(post)]
        return PostList(
            [post.id for post in chosen],
            self._shown(*chosen, *threads),
            next_post_id=newest_first[first - 1].id if first else "",
            prev_post_id=newest_first[last + 1].id if last + 1 < len(newest_first) else "",
        )

    def _shown(self, *posts: Post) -> dict[PostId, Post]:
        return {post.id: self.as_shown(post) for post in _each_once(posts)}


def _made(post: Post) -> int:
    return post.create_at


def _each_once(posts: Iterable[Post]) -> Iterable[Post]:
    return {post.id: post for post in posts}.values()
