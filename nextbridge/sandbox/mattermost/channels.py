"""Channels of all four types, their members, and who may do what in them."""

from __future__ import annotations

from collections.abc import Iterable

from nextbridge.sandbox.mattermost.clock import Clock, milliseconds
from nextbridge.sandbox.mattermost.people import People
from nextbridge.sandbox.mattermost.records import Channel, ChannelId, Member, TeamId, User, UserId, new_id
from nextbridge.sandbox.mattermost.refusals import Refusal, forbidden

__all__ = ["Channels", "no_channel_of_that_name"]


def no_channel_of_that_name() -> Refusal:
    """Also said of a private channel to those who are not in it."""
    return Refusal(404, "app.channel.get_by_name.missing.app_error", "Channel does not exist.")


class Channels:
    """Channels, direct and group ones included, and who is in each."""

    def __init__(self, clock: Clock, people: People) -> None:
        self._clock = clock
        self._people = people
        self._channels: dict[ChannelId, Channel] = {}
        self._members: dict[ChannelId, dict[UserId, Member]] = {}

    def add(self, channel: Channel) -> Channel:
        self._channels[channel.id] = channel
        self._members[channel.id] = {}
        return channel

    def add_direct(self, creator: UserId, users: Iterable[UserId]) -> tuple[Channel, bool]:
        """The direct channel of one or two users, or the group channel of more; True when it is new."""
        everyone = sorted(set(users) | {creator})
        is_group = len(everyone) > 2
        # The real server names a group channel by a hash of its members; what matters is that they find it again.
        name = "_".join(everyone) if is_group else "__".join([everyone[0], everyone[-1]])
        for channel in self._channels.values():
            if channel.type in {"D", "G"} and channel.name == name:
                return channel, False
        now = milliseconds(self._clock)
        usernames = sorted(self._people.user(user_id).username for user_id in everyone)
        channel = self.add(
            Channel(
                id=ChannelId(new_id()),
                create_at=now,
                update_at=now,
                team_id="",
                type="G" if is_group else "D",
                display_name=", ".join(usernames) if is_group else "",
                name=name,
                creator_id="" if is_group else creator,
                shared=False,
            )
        )
        for user_id in everyone:
            self.join(channel.id, user_id)
        return channel, True

    def find(self, channel_id: str) -> Channel | None:
        return self._channels.get(ChannelId(channel_id))

    def channel(self, channel_id: str) -> Channel:
        channel = self.find(channel_id)
        if channel is None:
            raise Refusal(404, "app.channel.get.existing.app_error", "Unable to find the existing channel.")
        return channel

    def by_name(self, team_id: str, name: str) -> Channel:
        for channel in self._channels.values():
            if channel.team_id == team_id and channel.name == name and not channel.delete_at:
                return channel
        raise no_channel_of_that_name()

    def of_user(self, user_id: UserId, team_id: str) -> list[Channel]:
        """Those of the team, and the direct and group channels, by display name."""
        mine = [
            channel
            for channel in self._channels.values()
            if channel.team_id in {team_id, ""} and not channel.delete_at and user_id in self._members[channel.id]
        ]
        return sorted(mine, key=lambda channel: channel.display_name)

    def join(self, channel_id: ChannelId, user_id: UserId) -> Member:
        """Also puts the user into the channel's team."""
        channel = self._channels[channel_id]
        if channel.team_id:
            self._people.join_team(TeamId(channel.team_id), user_id)
        return self._members[channel_id].setdefault(
            user_id, Member(channel_id=channel_id, user_id=user_id, last_update_at=milliseconds(self._clock))
        )

    def leave(self, channel_id: ChannelId, user_id: UserId) -> bool:
        return self._members[channel_id].pop(user_id, None) is not None

    def members(self, channel_id: ChannelId) -> list[Member]:
        return list(self._members.get(channel_id, {}).values())

    def member(self, channel_id: str, user_id: str) -> Member:
        member = self._members.get(ChannelId(channel_id), {}).get(UserId(user_id))
        if member is None:
            raise Refusal(404, "app.channel.get_member.missing.app_error", "No channel member found for that user.")
        return member

    def member_ids(self, channel_id: ChannelId) -> list[UserId]:
        return list(self._members.get(channel_id, ()))

    def is_member(self, channel_id: str, user_id: UserId) -> bool:
        return user_id in self._members.get(ChannelId(channel_id), ())

    def require_place_in(self, channel_id: str, user: User) -> Channel:
        """What reading and writing posts needs. An unknown channel is refused as one that the user is not in."""
        channel = self.find(channel_id)
        if channel is None or not (user.is_admin or self.is_member(channel_id, user.id)):
            raise forbidden()
        return channel

    def require_sight_of(self, channel: Channel, user: User) -> Channel:
        """What looking at the channel itself needs: an open one shows itself to its whole team."""
        if user.is_admin or self.is_member(channel.id, user.id):
            return channel
        if channel.type == "O" and self._people.is_in_team(channel.team_id, user.id):
            return channel
        raise forbidden()
