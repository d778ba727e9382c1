"""The floor: what it costs to read a post from the socket and to post it to another channel, and nothing else.

    python forwarder.py URL TOKEN '{"from": "to", …}'

No journal, no rules, no rendering, no retries: what it has not forwarded when it ends is lost.
"""

from __future__ import annotations

import json
import sys

import aiohttp
import uvloop


async def forward(url: str, token: str, channels: dict[str, str]) -> None:
    """Forward until the socket is closed."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.ws_connect(f"{url}/api/v4/websocket") as socket,
    ):
        async for frame in socket:
            event = json.loads(frame.data)
            if event.get("event") != "posted":
                continue
            seen = json.loads(event["data"]["post"])
            if "forwarded" in seen["props"]:
                continue
            post = {
                "channel_id": channels[seen["channel_id"]],
                "message": seen["message"],
                "props": {"forwarded": "true"},
            }
            async with session.post(f"{url}/api/v4/posts", json=post) as answer:
                await answer.read()


if __name__ == "__main__":
    uvloop.run(forward(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
