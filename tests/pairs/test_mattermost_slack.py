"""A Mattermost channel and a channel of the stand-in Slack, bridged by the daemon as a process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from nextbridge.sandbox import slack as api
from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from nextbridge.sandbox.slack import SandboxSlack
from tests.process import Daemon


class Bridge(Struct):
    """Both sides of it."""

    mattermost: SandboxMattermost
    town: Channel
    ada: Account
    slack: SandboxSlack
    app: api.App
    hall: api.Channel
    bob: api.User
    file: dict[str, Any]

    async def posted(self, text: str) -> Post:
        """The post on Mattermost that says so, once there is one."""
        return await self.mattermost.shown(self.town, text)

    async def said(self, text: str) -> api.Message:
        """The message on Slack that says so, once there is one."""
        await self.slack.until(lambda: text in self.texts, within=20)
        return next(each for each in self.slack.messages(self.hall) if shown(each) == text)

    @property
    def texts(self) -> list[str]:
        return [shown(each) for each in self.slack.messages(self.hall)]


def shown(message: api.Message) -> str:
    """What people see of it: with `*` where it is bold."""
    parts = []
    for block in message.blocks or ():
        for section in block["elements"]:
            for each in section["elements"]:
                sign = "*" if each.get("style", {}).get("bold") else ""
                parts.append(f"{sign}{each.get('text') or '@' + each.get('user_id', '')}{sign}")
    return "".join(parts) or message.text


@asynccontextmanager
async def bridged(**rule: object) -> AsyncIterator[Bridge]:
    """The daemon is not started yet."""
    async with SandboxMattermost() as mattermost, SandboxSlack() as slack:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        app, bob = slack.add_app("relay"), slack.add_user("bob", display_name="Bob")
        hall = slack.add_channel("hall", app, bob)
        tokens = {"bot_token": app.token, "app_token": app.app_token}
        file = {
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": mattermost.url, "token": relay.token, "reconnect_delay": 0.2}},
            "slack": {"sl": {**tokens, "api_url": slack.url, "reconnect_delay": 0.2}},
            "rules": [
                {
                    "id": "town",
                    "type": "connect",
                    "channels": {"mm": {"channel_id": town.id}, "sl": {"channel": "#hall"}},
                    **rule,
                }
            ],
        }
        yield Bridge(mattermost, town, ada, slack, app, hall, bob, file)


async def test_a_conversation_crosses_before_and_after_a_restart(daemon: Daemon) -> None:
    """Messages under their authors' names, answers, edits, reactions and deletions, also to what was said before."""
    async with bridged() as both:
        mattermost, slack, hall = both.mattermost, both.slack, both.hall
        await daemon.start(both.file)
        asked = mattermost.post_as(both.ada, both.town, "**who** is there, @bob? <!channel> @all")
        question = await both.said(f"*who* is there, @{both.bob.id}? <!channel> @all")
        assert (question.username, question.user) == ("Ada", "")
        slack.post_as(both.bob, hall, "me, *really* &", thread=question.ts)
        answer = await both.posted(r"me, \*really\* &")
        assert (answer.root_id, answer.props.get("override_username")) == (asked.id, "Bob")

        assert await daemon.stop() == 0
        await daemon.start(both.file)
        mattermost.post_as(both.ada, both.town, "and Carol?", root=asked)
        again = await both.said("and Carol?")
        assert again.thread_ts == question.ts
        mattermost.edit(asked, "who is here?")
        await both.said("who is here?")
        slack.react(both.bob.id, hall, again, "+1", add=True)
        carol = next(each for each in mattermost.posts(both.town) if each.message == "and Carol?")
        await mattermost.until(lambda: both.mattermost.reactions_of(carol) == ["+1"])
        said = slack.post_as(both.bob, hall, "no")
        no = await both.posted("no")
        mattermost.react_as(both.ada, no, "tada")
        await slack.until(lambda: said.reactions == {"tada": [both.app.user.id]})
        slack.edit_as(both.bob, hall, said, "not yet")
        await both.posted("not yet")
        slack.delete(hall, said)
        await mattermost.until(lambda: "not yet" not in mattermost.messages(both.town))
        mattermost.delete(carol)
        await slack.until(lambda: "and Carol?" not in both.texts)
        assert await daemon.stop() == 0
    log = daemon.log.read_text()
    assert [secret for secret in (both.app.token, both.app.app_token) if secret in log] == []


async def test_files_cross_both_ways(daemon: Daemon) -> None:
    """With their names and texts; an edit of a message with files leaves them where they are."""
    async with bridged() as both:
        mattermost, slack = both.mattermost, both.slack
        await daemon.start(both.file)
        map_ = slack.upload_as(both.bob, "map.png", b"\x89PNG\r\n\x1a\nmap", "image/png")
        slack.post_as(both.bob, both.hall, "the map", files=(map_,))
        assert mattermost.files_of(await both.posted("the map")) == [("map.png", b"\x89PNG\r\n\x1a\nmap")]
        files = [mattermost.upload_as(both.ada, both.town, f"{number} (1).txt", b"x") for number in range(2)]
        post = mattermost.post_as(both.ada, both.town, "two files", files=files)
        message = await both.said("two files")
        mattermost.edit(post, "two files, **really**")
        await both.said("two files, *really*")
        assert [(each.name, each.content) for each in message.files] == [("0 (1).txt", b"x"), ("1 (1).txt", b"x")]
        assert message.username == "Ada"
        assert await daemon.stop() == 0


async def test_what_was_said_while_the_daemon_was_stopped_is_told_afterwards(daemon: Daemon) -> None:
    """In order, with the edits and the answers in threads, old and new; each once."""
    async with bridged() as both:
        mattermost, slack, hall = both.mattermost, both.slack, both.hall
        await daemon.start(both.file)
        old = slack.post_as(both.bob, hall, "an old question")
        asked = await both.posted("an old question")
        assert await daemon.stop() == 0
        slack.edit_as(both.bob, hall, old, "an old question, put better")
        slack.post_as(both.bob, hall, "late to the thread", thread=old.ts)
        new = slack.post_as(both.bob, hall, "missed 0")
        slack.post_as(both.bob, hall, "in the new thread", thread=new.ts)
        for number in range(1, 300):
            slack.post_as(both.bob, hall, f"missed {number}")
        assert slack.delivery(both.app).lost > 300
        await daemon.start(both.file)
        await both.posted("missed 299")
        await both.posted("an old question, put better")
        texts = [text for text in mattermost.messages(both.town) if text.startswith("missed")]
        assert texts == [f"missed {number}" for number in range(300)]
        assert (await both.posted("late to the thread")).root_id == asked.id
        assert (await both.posted("in the new thread")).root_id == (await both.posted("missed 0")).id
        assert len(mattermost.messages(both.town)) == 303
        assert await daemon.stop() == 0


async def test_events_by_http_reach_the_daemons_own_server(daemon: Daemon) -> None:
    """Without an app_token Slack calls; what it could not deliver while the daemon was away is in the history."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with bridged() as both:
        address = f"http://127.0.0.1:{port}"
        both.file["global"] = {"http": {"port": port}, "base_url": address}
        block = both.file["slack"]["sl"]
        del block["app_token"]
        block["signing_secret"] = both.app.signing_secret
        both.app.socket_mode, both.app.request_url = False, f"{address}/slack/sl/events"
        both.slack.delivery(both.app).retry_seconds = (0.0, 0.0, 0.0)
        await daemon.start(both.file)
        for number in range(20):
            both.slack.post_as(both.bob, both.hall, f"line {number}")
            # Slack calls side by side, and does not promise an order
            await both.posted(f"line {number}")
        assert await daemon.stop() == 0
        both.slack.post_as(both.bob, both.hall, "missed")
        async with asyncio.timeout(20):
            while both.slack.delivery(both.app).lost < 1:  # noqa: ASYNC110 - it gives up after its last retry
                await asyncio.sleep(0.02)
        await daemon.start(both.file)
        await both.posted("missed")
        both.mattermost.post_as(both.ada, both.town, "and back")
        await both.said("and back")
        assert both.mattermost.messages(both.town) == [
            *(f"line {number}" for number in range(20)),
            "missed",
            "and back",
        ]
        assert await daemon.stop() == 0
