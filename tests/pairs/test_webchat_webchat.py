"""Two web chats, bridged by the daemon as a process: what people do in one is done in the other."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.pairs.browsing import Side, does
from tests.process import Daemon

FILE: dict[str, Any] = {
    "global": {"http": {"port": 0}},
    "webchat": {"one": {}, "two": {}},
    "rules": [{"type": "connect", "channels": {"one": {"room": "lobby"}, "two": {"room": "lobby"}}}],
}


async def test_what_is_done_to_messages_crosses_both_ways_and_over_a_kill(daemon: Daemon) -> None:
    """Answers, files, edits, reactions and deletions, of what was said before the daemon was killed and after."""
    content = bytes(range(256)) * 1000
    await daemon.start(FILE)
    async with aiohttp.ClientSession() as http:
        one, two = Side(daemon, http, "one"), Side(daemon, http, "two")
        async with one.joined("Ada") as ada, two.joined("Ida") as ida:
            ada_was, ida_was = ada.welcome["session"], ida.welcome["session"]
            question = await does(ada, type="post", text="a question")
            photo = await one.upload(ada, "notes.bin", content)
            await does(ada, type="post", text="a file", files=[photo])
            history = await two.shows(("a question", None, (), ()), ("a file", None, (), ("notes.bin",)))
            assert await two.content(history[1]["files"][0]["id"]) == content
            await does(ida, type="post", text="an answer", reply_to=history[0]["id"])
            await one.shows(
                ("a question", None, (), ()),
                ("a file", None, (), ("notes.bin",)),
                ("an answer", "a question", (), ()),
            )
        await daemon.kill()
        await daemon.start(FILE)
        one, two = Side(daemon, http, "one"), Side(daemon, http, "two")
        async with one.joined("Ada", ada_was) as ada, two.joined("Ida", ida_was) as ida:
            answer = next(each["id"] for each in ida.history if each["text"] == "an answer")
            await does(ada, type="edit", message=question, text="a better question")
            await does(ida, type="edit", message=answer, text="a better answer")
            await does(ida, type="react", message=ida.history[0]["id"], emoji="👍")
            await does(ada, type="react", message=question, emoji="🎉")
            await does(ada, type="delete", message=question + 1)
            for side in (one, two):
                await side.shows(
                    ("a better question", None, ("🎉", "👍"), ()), ("a better answer", "a better question", (), ())
                )
            await does(ida, type="react", message=ida.history[0]["id"], emoji="👍", add=False)
            await one.shows(("a better question", None, ("🎉",), ()), ("a better answer", "a better question", (), ()))
