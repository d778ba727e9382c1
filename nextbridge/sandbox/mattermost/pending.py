"""Posts that a client may be sending twice: what their `pending_post_id` recognises, and for how long."""

from __future__ import annotations

from msgspec import Struct

from nextbridge.sandbox.mattermost.clock import Clock
from nextbridge.sandbox.mattermost.records import PostId
from nextbridge.sandbox.mattermost.refusals import Refusal

__all__ = ["REMEMBERED_FOR", "PendingPosts"]

REMEMBERED_FOR = 30.0
"""Seconds."""


class Claim(Struct):
    expires_at: float
    post_id: PostId | None = None


class PendingPosts:
    """Kept in memory only, as on the real server, where each node of a cluster has its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._claims: dict[str, Claim] = {}

    def claim(self, pending_post_id: str) -> PostId | None:
        """The post that this id became already; None when the caller is to make it.

        Raises Refusal (500) while another request is making it.
        """
        now = self._clock()
        self._claims = {key: claim for key, claim in self._claims.items() if claim.expires_at > now}
        claim = self._claims.get(pending_post_id)
        if claim is None:
            self._claims[pending_post_id] = Claim(now + REMEMBERED_FOR)
            return None
        if claim.post_id is None:
            raise Refusal(
                500,
                "api.post.deduplicate_create_post.pending",
                "Rejected post since another client is making the same request.",
            )
        return claim.post_id

    def made(self, pending_post_id: str, post_id: PostId) -> None:
        self._claims[pending_post_id] = Claim(self._clock() + REMEMBERED_FOR, post_id)

    def failed(self, pending_post_id: str) -> None:
        self._claims.pop(pending_post_id, None)

    def forget_all(self) -> None:
        """What a restart does to a server."""
        self._claims.clear()
