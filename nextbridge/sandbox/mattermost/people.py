"""Users, bots and their tokens; teams and who is in them."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from nextbridge.sandbox.mattermost.clock import Clock, milliseconds
from nextbridge.sandbox.mattermost.records import Account, Team, TeamId, User, UserId, new_id
from nextbridge.sandbox.mattermost.refusals import Refusal

__all__ = ["People", "as_others_see"]


class People:
    """Everyone who was ever made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._users: dict[UserId, User] = {}
        self._tokens: dict[str, UserId] = {}
        self._teams: dict[TeamId, Team] = {}
        self._team_members: dict[TeamId, dict[UserId, None]] = {}

    def add_user(self, user: User, token: str) -> Account:
        """Raises ValueError when the username is taken."""
        if any(other.username == user.username for other in self._users.values()):
            raise ValueError(f"a user {user.username!r} exists already")
        self._users[user.id] = user
        self._tokens[token] = user.id
        return Account(user.id, user.username, token)

    def add_token(self, user_id: UserId, token: str) -> None:
        self._tokens[token] = user_id

    def revoke(self, token: str) -> None:
        self._tokens.pop(token, None)

    def signed_in(self, token: str) -> User | None:
        user_id = self._tokens.get(token)
        return None if user_id is None else self._users[user_id]

    def user(self, user_id: str) -> User:
        user = self._users.get(UserId(user_id))
        if user is None:
            raise Refusal(404, "app.user.missing_account.const", "Unable to find the user.")
        return user

    def users(self, ids: list[str]) -> list[User]:
        """Those that exist, each once, in the order in which they were made."""
        return [user for user in self._users.values() if user.id in ids]

    def everyone(self) -> list[User]:
        """In the order in which they were made."""
        return list(self._users.values())

    def by_usernames(self, names: list[str]) -> list[User]:
        return [user for user in self._users.values() if user.username in names]

    def by_username(self, name: str) -> User | None:
        return next(iter(self.by_usernames([name])), None)

    def rename(self, user: User, **changed: str) -> None:
        """Change names, nickname and the like."""
        for name, value in changed.items():
            setattr(user, name, value)
        user.update_at = milliseconds(self._clock)

    def add_team(self, name: str, display_name: str, team_id: str | None) -> Team:
        now = milliseconds(self._clock)
        team = Team(id=TeamId(team_id or new_id()), create_at=now, update_at=now, display_name=display_name, name=name)
        self._teams[team.id] = team
        self._team_members[team.id] = {}
        return team

    def join_team(self, team_id: TeamId, user_id: UserId) -> None:
        self._team_members[team_id][user_id] = None

    def team(self, team_id: str) -> Team:
        team = self._teams.get(TeamId(team_id))
        if team is None:
            raise Refusal(404, "app.team.get.find.app_error", "Unable to find the existing team.")
        return team

    def team_by_name(self, name: str) -> Team:
        for team in self._teams.values():
            if team.name == name:
                return team
        raise Refusal(404, "app.team.get_by_name.missing.app_error", "Unable to find the existing team.")

    def teams_of(self, user_id: UserId) -> list[Team]:
        return [team for team in self._teams.values() if user_id in self._team_members[team.id]]

    def team_members(self, team_id: TeamId) -> list[UserId]:
        return list(self._team_members.get(team_id, ()))

    def is_in_team(self, team_id: str, user_id: UserId) -> bool:
        return user_id in self._team_members.get(TeamId(team_id), ())


def as_others_see(user: User) -> User:
    """Without what only the user may see."""
    return msgspec.structs.replace(user, notify_props=UNSET, last_password_update=UNSET)
