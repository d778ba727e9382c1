"""What members may do beside posting: all of it, until an administrator takes a right away from everybody."""

from __future__ import annotations

from nextbridge.sandbox.mattermost.refusals import forbidden

__all__ = ["ROLES", "Rights"]

ROLES = {
    "system_user": ("create_direct_channel", "list_public_teams"),
    "team_user": ("view_team", "read_public_channel"),
    "channel_user": (
        "add_reaction",
        "create_post",
        "delete_post",
        "edit_post",
        "manage_private_channel_properties",
        "manage_public_channel_properties",
        "read_channel",
        "upload_file",
        "use_channel_mentions",
    ),
}
"""The permissions of each role that concern a relay, under the real server's names."""


class Rights:
    """The permissions of the whole server."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.given: set[str] = set()
        """To everybody in a team, beyond what is usual: `manage_slash_commands`."""

    def require(self, permission: str) -> None:
        """Raises Refusal (403) where it was taken away."""
        if permission in self.taken:
            raise forbidden()

    def of(self, role: str) -> list[str]:
        """The permissions of a role; none where there is no such role."""
        given = sorted(self.given) if role == "team_user" else []
        return [*(each for each in ROLES.get(role, ()) if each not in self.taken), *given]
