"""What happens in channels: posts made, changed, deleted, reactions, joins, leaves, and the frames that tell of it.

Who may do it is decided before, where the request is read (rest/).
"""

from __future__ import annotations

import re

import msgspec
from msgspec import UNSET

from nextbridge.sandbox.mattermost.channels import Channels
from nextbridge.sandbox.mattermost.clock import Clock, milliseconds
from nextbridge.sandbox.mattermost.files import Files
from nextbridge.sandbox.mattermost.hub import Broadcast, Frame, Hub
from nextbridge.sandbox.mattermost.people import People, as_others_see
from nextbridge.sandbox.mattermost.posts import Posts
from nextbridge.sandbox.mattermost.records import (
    Attachment,
    Channel,
    ChannelId,
    FileId,
    Member,
    Post,
    PostId,
    Reaction,
    User,
    UserId,
    new_id,
)
from nextbridge.sandbox.mattermost.refusals import Refusal
from nextbridge.sandbox.mattermost.settings import ServerSettings

__all__ = ["Conversation"]

MENTION = re.compile(r"@([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)
HASHTAG = re.compile(r"(?<!\S)#[^\W\d_][\w.-]+[^\W_]")
NOT_COUNTED = {"system_join_channel", "system_leave_channel", "system_add_to_channel", "system_remove_from_channel"}
"""Joins and leaves are no messages in a channel's `total_msg_count`."""
LONGEST_PROPS = 8000
"""Characters of JSON."""
LONGEST_FILE_IDS = 300
"""Characters of JSON: ten ids fit."""


class Conversation:
    """Changes what is kept, and tells the sockets of it in the same step."""

    def __init__(
        self,
        clock: Clock,
        settings: ServerSettings,
        people: People,
        channels: Channels,
        posts: Posts,
        files: Files,
        hub: Hub,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._people = people
        self._channels = channels
        self._posts = posts
        self._files = files
        self._hub = hub
        self._last_post_at = 0

    # --- posts ----------------------------------------------------------------------------------------------------

    def post(  # noqa: PLR0913 - each is a part of a post
        self,
        user: User,
        channel: Channel,
        message: str,
        *,
        root_id: str = "",
        post_type: str = "",
        props: dict[str, object] | None = None,
        file_ids: list[FileId] | None = None,
        pending_post_id: str = "",
        create_at: int | None = None,
    ) -> Post:
        """Make a post as it is shown to clients. Raises Refusal (400) where the real server finds it wrong.

        No two posts are of the same millisecond, as a real server takes longer for one, unless `create_at` says so.
        """
        if channel.delete_at:
            raise Refusal(400, "api.post.create_post.can_not_post_to_deleted.error", "Can not post to deleted channel.")
        self._check_root(channel, root_id)
        props = _filled_up(dict(props or {}))
        if user.is_bot is True:
            props["from_bot"] = "true"
        self._check_size(message, props, file_ids or [])
        now = max(milliseconds(self._clock), self._last_post_at + 1) if create_at is None else create_at
        self._last_post_at = max(now, self._last_post_at)
        post = Post(
            id=PostId(new_id()),
            create_at=now,
            update_at=now,
            user_id=user.id,
            channel_id=channel.id,
            message=message,
            root_id=root_id,
            parent_id=root_id,
            type=post_type,
            props=props,
            hashtags=" ".join(HASHTAG.findall(message)),
        )
        if file_ids:
            post.file_ids = self._files.attach(file_ids, post.id, user.id) or UNSET
        self._posts.insert(post)
        channel.last_post_at = max(now, channel.last_post_at)
        if post_type not in NOT_COUNTED:
            channel.total_msg_count += 1
            channel.total_msg_count_root += not root_id
        # The id that the client gave is told in its answer and in the frame, and kept nowhere.
        shown = msgspec.structs.replace(self._posts.as_shown(post), pending_post_id=pending_post_id)
        self._hub.tell_channel(channel.id, "posted", self._posted(shown, user, channel))
        return shown

    def change(
        self,
        post: Post,
        *,
        message: str | None = None,
        props: dict[str, object] | None = None,
        file_ids: list[FileId] | None = None,
        is_pinned: bool | None = None,
    ) -> Post:
        """An edit or a pin: both are told as an edit, and only an edit (of text or files) sets `edit_at`."""
        if message is not None and len(message) > self._settings.max_post_size:
            raise _invalid_message()
        # two edits are of different milliseconds, as two posts are
        now = max(milliseconds(self._clock), post.update_at + 1)
        self._posts.keep_old_version(post, now)
        if message is not None and message != post.message:
            post.message = message
            post.edit_at = now
        if file_ids is not None and file_ids != (post.file_ids or []):
            kept = [file_id for file_id in post.file_ids or [] if file_id in file_ids]
            added = self._files.attach([each for each in file_ids if each not in kept], post.id, post.user_id)
            post.file_ids = [*kept, *added] or UNSET
            post.edit_at = now
        if props is not None:
            post.props = _filled_up({**post.props, **props})
        if is_pinned is not None:
            post.is_pinned = is_pinned
        post.update_at = now
        shown = self._posts.as_shown(post)
        self._hub.tell_channel(post.channel_id, "post_edited", {"post": _text(shown)})
        return shown

    def delete(self, post: Post, by: User) -> None:
        """The replies under a root go with it, and no frame tells of them."""
        told = msgspec.structs.replace(self._posts.as_shown(post), reply_count=0)
        gone = [post] if post.root_id else self._posts.thread(post)
        now = milliseconds(self._clock)
        props = {**post.props, "deleteBy": by.id}
        for each in gone:
            each.delete_at = each.update_at = now
            each.props = props
        self._hub.tell_channel(post.channel_id, "post_deleted", {"post": _text(told)})

    def react(self, user: User, post: Post, emoji_name: str) -> Reaction:
        now = max(milliseconds(self._clock), post.update_at + 1)
        reaction = Reaction(user_id=user.id, post_id=post.id, emoji_name=emoji_name, create_at=now, update_at=now)
        self._posts.add_reaction(reaction)
        post.has_reactions = True
        post.update_at = now
        self._hub.tell_channel(post.channel_id, "reaction_added", {"reaction": _text(reaction)})
        return reaction

    def take_back_reaction(self, user: User, post: Post, emoji_name: str) -> None:
        now = max(milliseconds(self._clock), post.update_at + 1)
        if not self._posts.remove_reaction(post.id, user.id, emoji_name):
            return
        post.has_reactions = True if self._posts.reactions(post.id) else UNSET
        post.update_at = now
        # The real server does not look up when the reaction was made.
        reaction = Reaction(user_id=user.id, post_id=post.id, emoji_name=emoji_name, create_at=0, update_at=now)
        self._hub.tell_channel(post.channel_id, "reaction_removed", {"reaction": _text(reaction)})

    def type(self, user: User, channel: Channel, parent_id: str) -> None:
        self._hub.tell(
            Frame(
                "typing",
                {"parent_id": parent_id, "user_id": user.id},
                Broadcast(omit_users={user.id: True}, channel_id=channel.id),
            )
        )

    # --- channels -------------------------------------------------------------------------------------------------

    def join(self, channel: Channel, user: User, by: User) -> Member:
        """Told by a frame and a system post; nothing happens where the user is a member already."""
        if self._channels.is_member(channel.id, user.id):
            return self._channels.member(channel.id, user.id)
        member = self._channels.join(channel.id, user.id)
        self._hub.tell_channel(channel.id, "user_added", {"team_id": channel.team_id, "user_id": user.id})
        if user.id == by.id:
            self.post(
                user,
                channel,
                f"{user.username} joined the channel.",
                post_type="system_join_channel",
                props={"username": user.username},
            )
        else:
            self.post(
                by,
                channel,
                f"{user.username} added to the channel by {by.username}.",
                post_type="system_add_to_channel",
                props={
                    "addedUserId": user.id,
                    "addedUsername": user.username,
                    "userId": by.id,
                    "username": by.username,
                },
            )
        return member

    def leave(self, channel: Channel, user: User, by: User) -> None:
        if not self._channels.leave(channel.id, user.id):
            return
        self._hub.tell_channel(channel.id, "user_removed", {"remover_id": by.id, "user_id": user.id})
        self._hub.tell_user(user.id, "user_removed", {"channel_id": channel.id, "remover_id": by.id})
        if user.id == by.id:
            self.post(
                user,
                channel,
                f"{user.username} left the channel.",
                post_type="system_leave_channel",
                props={"username": user.username},
            )
        else:
            self.post(
                by,
                channel,
                f"@{user.username} removed from the channel.",
                post_type="system_remove_from_channel",
                props={"removedUserId": user.id, "removedUsername": user.username},
            )

    def patch_channel(
        self,
        channel: Channel,
        by: User,
        *,
        name: str | None = None,
        display_name: str | None = None,
        header: str | None = None,
        purpose: str | None = None,
    ) -> Channel:
        """A header or a display name that really changes is also told by a system post."""
        old_header, old_display_name = channel.header, channel.display_name
        channel.name = channel.name if name is None else name
        channel.display_name = channel.display_name if display_name is None else display_name
        channel.header = channel.header if header is None else header
        channel.purpose = channel.purpose if purpose is None else purpose
        channel.update_at = milliseconds(self._clock)
        patched = msgspec.structs.replace(channel)
        self._hub.tell_channel(channel.id, "channel_updated", {"channel": _text(patched)})
        if channel.display_name != old_display_name:
            self.post(
                by,
                channel,
                f"{by.username} updated the channel display name from: {old_display_name} to: {channel.display_name}",
                post_type="system_displayname_change",
                props={
                    "new_displayname": channel.display_name,
                    "old_displayname": old_display_name,
                    "username": by.username,
                },
            )
        if channel.header != old_header:
            self.post(
                by,
                channel,
                _header_change(by.username, old_header, channel.header),
                post_type="system_header_change",
                props={"new_header": channel.header, "old_header": old_header, "username": by.username},
            )
        return patched

    def archive_channel(self, channel: Channel, by: User) -> None:
        """Nothing can be posted there any more. The system post comes first, as it could not be made afterwards."""
        self.post(
            by,
            channel,
            f"{by.username} archived the channel.",
            post_type="system_channel_deleted",
            props={"username": by.username},
        )
        channel.delete_at = channel.update_at = milliseconds(self._clock)
        self._hub.tell(
            Frame(
                "channel_deleted",
                {"channel_id": channel.id, "delete_at": channel.delete_at},
                Broadcast(team_id=channel.team_id),
            )
        )

    def open_direct(self, creator: User, users: list[UserId]) -> Channel:
        channel, is_new = self._channels.add_direct(creator.id, users)
        if is_new and channel.type == "D":
            teammate = next((user for user in users if user != creator.id), creator.id)
            self._hub.tell_channel(channel.id, "direct_added", {"creator_id": creator.id, "teammate_id": teammate})
        elif is_new:
            teammates = msgspec.json.encode(self._channels.member_ids(channel.id)).decode()
            self._hub.tell_channel(channel.id, "group_added", {"teammate_ids": teammates})
        return channel

    def rename(self, user: User, **changed: str) -> None:
        self._people.rename(user, **changed)
        self._hub.tell(Frame("user_updated", {"user": as_others_see(user)}))

    def change_picture(self, user: User, *, removed: bool = False) -> None:
        """The user gives themselves another picture, or takes theirs away."""
        user.update_at = milliseconds(self._clock)
        user.last_picture_update = -user.update_at if removed else user.update_at
        self._hub.tell(Frame("user_updated", {"user": as_others_see(user)}))

    # --- what a posted frame says ---------------------------------------------------------------------------------

    def _posted(self, post: Post, user: User, channel: Channel) -> dict[str, object]:
        sender = self._sender_name(post, user, channel)
        data: dict[str, object] = {
            "channel_display_name": sender if channel.type == "D" else channel.display_name,
            "channel_name": channel.name,
            "channel_type": channel.type,
            "post": _text(post),
            "sender_name": sender,
            "set_online": True,
            "team_id": channel.team_id,
        }
        if mentioned := self._mentioned(post, channel):
            data["mentions"] = msgspec.json.encode(mentioned).decode()
        if post.file_ids:
            data["otherFile"] = "true"
            if any(info.mime_type.startswith("image/") for info in self._files.infos(post.file_ids)):
                data["image"] = "true"
        return dict(sorted(data.items()))

    def _sender_name(self, post: Post, user: User, channel: Channel) -> str:
        if post.is_system:
            return "System"
        overridden = post.props.get("override_username")
        if (
            self._settings.shows_overridden_names
            and channel.type != "D"
            and isinstance(overridden, str)
            and post.props.get("from_webhook") == "true"
        ):
            return overridden
        return f"@{user.username}"

    def _mentioned(self, post: Post, channel: Channel) -> list[UserId]:
        if post.type == "system_add_to_channel":
            return [UserId(str(post.props["addedUserId"]))]
        if post.is_system:
            return []
        members = self._channels.member_ids(ChannelId(channel.id))
        if channel.type == "D":
            named = members
        else:
            words = {word.rstrip("._-").lower() for word in MENTION.findall(post.message)}
            named = [member for member in members if self._people.user(member).username in words]
            if words & {"channel", "all"}:
                named += [member for member in members if member not in named]
            elif "here" in words:
                named += [m for m in members if m not in named and self._hub.is_online(m)]
        is_hook = post.props.get("from_webhook") == "true"
        return [member for member in named if is_hook or member != post.user_id]

    # --- what makes a post wrong ----------------------------------------------------------------------------------

    def _check_root(self, channel: Channel, root_id: str) -> None:
        if not root_id:
            return
        root = self._posts.find(root_id)
        if root is None or root.root_id:
            raise Refusal(400, "api.post.create_post.root_id.app_error", "Invalid RootId parameter.")
        if root.channel_id != channel.id:
            raise Refusal(
                400, "api.post.create_post.channel_root_id.app_error", "Invalid ChannelId for RootId parameter."
            )

    def _check_size(self, message: str, props: dict[str, object], file_ids: list[FileId]) -> None:
        if len(message) > self._settings.max_post_size:
            raise _invalid_message()
        if len(msgspec.json.encode(props).decode()) > LONGEST_PROPS:
            raise Refusal(400, "model.post.is_valid.props.app_error", "Invalid props.")
        if len(msgspec.json.encode(file_ids)) > LONGEST_FILE_IDS:
            raise Refusal(400, "model.post.is_valid.file_ids.app_error", "Invalid file ids.")


def _filled_up(props: dict[str, object]) -> dict[str, object]:
    """Attachments get all their keys; what is no list of attachments is dropped, as on the real server."""
    if "attachments" in props:
        try:
            attachments = msgspec.convert(props["attachments"], list[Attachment])
        except msgspec.ValidationError:
            del props["attachments"]
        else:
            props["attachments"] = attachments
    return dict(sorted(props.items()))


def _invalid_message() -> Refusal:
    return Refusal(400, "model.post.is_valid.msg.app_error", "Invalid message.")


def _header_change(username: str, old: str, new: str) -> str:
    if not new:
        return f"{username} removed the channel header (was: {old})"
    if not old:
        return f"{username} updated the channel header to: {new}"
    return f"{username} updated the channel header from: {old} to: {new}"


def _text(record: Post | Reaction | Channel) -> str:
    """Frames carry records as JSON in a string."""
    return msgspec.json.encode(record).decode()
