"""Who hears what: one numbered stream of frames to each connection, kept for a while when its socket is lost.

The HTTP side of a socket is in websocket.py; this file knows no network.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct, field

from nextbridge.sandbox.mattermost.clock import Clock
from nextbridge.sandbox.mattermost.records import ChannelId, TeamId, UserId, new_id
from nextbridge.sandbox.mattermost.settings import VERSION_ID

__all__ = ["Broadcast", "Connection", "Frame", "Hub"]

SENT_KEPT = 128
"""Frames already sent that a lost connection can ask for again, as on the real server."""
UNSENT_KEPT = 256
"""Frames waiting for a lost connection; one more and it is forgotten, as on the real server."""
UNSENT_LIVE = 10_000
"""Frames waiting for a connection that has its socket. The real server keeps 256 here too, but takes its time for each
post; a test makes a thousand before a client has read the first."""
LOST_KEPT = 300.0
"""Seconds for which a lost connection can be resumed. The real server sweeps at this interval."""


class Broadcast(Struct):
    """Whom a frame is for: one user, or a channel's members, or a team's, or (all empty) everyone."""

    omit_users: dict[UserId, bool] | None = None
    user_id: str = ""
    channel_id: str = ""
    team_id: str = ""


class Frame(Struct):
    """An event as a client gets it; `seq` is set for each connection on its own."""

    event: str
    data: dict[str, object]
    broadcast: Broadcast = field(default_factory=Broadcast)
    seq: int = 0


class Connection:
    """One client's numbered stream of frames. It outlives its socket, to be resumed on another."""

    def __init__(self, user_id: UserId, token: str) -> None:
        self.id = new_id()
        self.user_id = user_id
        self.token = token
        self.lost_at: float | None = None
        """When its socket went, in the clock's seconds; None while it has one."""
        self._next_seq = 0
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=SENT_KEPT)
        self._again: deque[bytes] = deque()
        self._unsent: deque[Frame | bytes] = deque()
        self._is_dropped = False
        self._waiting = asyncio.Event()

    def offer(self, frame: Frame) -> bool:
        """Queue a frame; False when there is no room left."""
        return self._queue(frame)

    def reply(self, answer: bytes) -> bool:
        """Queue the answer to an action of the client: it has no number, and is not sent again."""
        return self._queue(answer)

    def drop(self) -> None:
        """Too slow: its socket is to be closed."""
        self._is_dropped = True
        self._waiting.set()

    async def next_text(self) -> bytes | None:
        """The next frame to write, numbered; waits for one. None when the socket is to be closed."""
        while not self._is_dropped:
            if self._again:
                return self._again.popleft()
            if self._unsent:
                frame = self._unsent.popleft()
                if isinstance(frame, bytes):
                    return frame
                seq, self._next_seq = self._next_seq, self._next_seq + 1
                text = msgspec.json.encode(Frame(frame.event, frame.data, frame.broadcast, seq))
                self._sent.append((seq, text))
                return text
            self._waiting.clear()
            await self._waiting.wait()
        return None

    def rewind(self, next_wanted: int) -> bool:
        """Make frame `next_wanted` the next one to be written; False when it is not kept any more."""
        self._again.clear()
        self._unsent = deque(frame for frame in self._unsent if isinstance(frame, Frame))
        if next_wanted == self._next_seq:
            return True
        again = [text for seq, text in self._sent if seq >= next_wanted]
        if not again or self._next_seq - len(again) != next_wanted:
            return False
        self._again.extend(again)
        return True

    def restart(self) -> None:
        """Become a new connection, with what is unsent still to come: the client missed something for good."""
        self.id = new_id()
        self._next_seq = 0
        self._sent.clear()
        self._again.clear()
        self._unsent.appendleft(self.hello())

    def hello(self) -> Frame:
        return Frame(
            "hello",
            {"connection_id": self.id, "server_version": VERSION_ID},
            Broadcast(user_id=self.user_id),
        )

    def _queue(self, frame: Frame | bytes) -> bool:
        if len(self._unsent) >= (UNSENT_LIVE if self.lost_at is None else UNSENT_KEPT):
            return False
        self._unsent.append(frame)
        self._waiting.set()
        return True


class Hub:
    """All connections of the server, and each user's presence, which follows from them."""

    def __init__(
        self,
        clock: Clock,
        members_of_channel: Callable[[ChannelId], Iterable[UserId]],
        members_of_team: Callable[[TeamId], Iterable[UserId]],
    ) -> None:
        self._clock = clock
        self._members_of_channel = members_of_channel
        self._members_of_team = members_of_team
        self._connections: dict[str, Connection] = {}
        self._online: set[UserId] = set()

    def open(self, user_id: UserId, token: str) -> Connection:
        """A new connection; its first frame is the hello."""
        self._forget_long_lost()
        connection = Connection(user_id, token)
        connection.offer(connection.hello())
        self._connections[connection.id] = connection
        return connection

    def resume(self, user_id: UserId, connection_id: str, next_wanted: int) -> Connection | None:
        """The lost connection, set to go on with frame `next_wanted`; None when it is not known (any more).

        Where frames are gone for good it starts anew, under another id and with a hello.
        """
        self._forget_long_lost()
        connection = self._connections.get(connection_id)
        if connection is None or connection.user_id != user_id or connection.lost_at is None:
            return None
        connection.lost_at = None
        if not connection.rewind(next_wanted):
            del self._connections[connection.id]
            connection.restart()
            self._connections[connection.id] = connection
        return connection

    def lose(self, connection: Connection) -> None:
        """Its socket is gone. The user is offline when it was the last one."""
        connection.lost_at = self._clock()
        if not any(c.lost_at is None and c.user_id == connection.user_id for c in self._connections.values()):
            self.set_offline(connection.user_id)

    def forget_all(self) -> None:
        """What a restart does to a server."""
        self._connections.clear()
        self._online.clear()

    def is_online(self, user_id: UserId) -> bool:
        return user_id in self._online

    def set_online(self, user_id: UserId) -> None:
        if user_id not in self._online:
            self._online.add(user_id)
            self._tell_status(user_id, "online")

    def set_offline(self, user_id: UserId) -> None:
        if user_id in self._online:
            self._online.discard(user_id)
            self._tell_status(user_id, "offline")

    def tell_channel(self, channel_id: ChannelId, event: str, data: dict[str, object]) -> None:
        self.tell(Frame(event, data, Broadcast(channel_id=channel_id)))

    def tell_user(self, user_id: UserId, event: str, data: dict[str, object]) -> None:
        self.tell(Frame(event, data, Broadcast(user_id=user_id)))

    def tell(self, frame: Frame) -> None:
        """Queue the frame for each connection of those whom it is for."""
        audience = self._audience(frame.broadcast)
        for connection in list(self._connections.values()):
            if audience is not None and connection.user_id not in audience:
                continue
            if not connection.offer(frame):
                del self._connections[connection.id]
                connection.drop()

    def _audience(self, broadcast: Broadcast) -> set[UserId] | None:
        """None is everyone."""
        if broadcast.user_id:
            audience = {UserId(broadcast.user_id)}
        elif broadcast.channel_id:
            audience = set(self._members_of_channel(ChannelId(broadcast.channel_id)))
        elif broadcast.team_id:
            audience = set(self._members_of_team(TeamId(broadcast.team_id)))
        else:
            return None
        return audience - set(broadcast.omit_users or ())

    def _tell_status(self, user_id: UserId, status: str) -> None:
        self.tell_user(user_id, "status_change", {"status": status, "user_id": user_id})

    def _forget_long_lost(self) -> None:
        now = self._clock()
        for connection in list(self._connections.values()):
            if connection.lost_at is not None and now - connection.lost_at > LOST_KEPT:
                del self._connections[connection.id]
