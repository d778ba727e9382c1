"""A Mattermost channel and a web chat's room, bridged by the daemon as a process."""

from __future__ import annotations

import aiohttp

from nextbridge.sandbox.mattermost import Post, SandboxMattermost
from tests.pairs.browsing import Side, does
from tests.process import Daemon

CONTENT = bytes(range(256)) * 500


async def test_the_conversation_crosses_both_ways_before_and_after_a_restart(daemon: Daemon) -> None:
    """Answers, edits, deletions, reactions and files, done on either side to what was said on either side."""
    async with SandboxMattermost() as server, aiohttp.ClientSession() as http:
        team = server.add_team("main")
        bot, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada])
        file: dict[str, object] = {
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": server.url, "token": bot.token}},
            "webchat": {"web": {}},
            "rules": [{"type": "connect", "channels": {"mm": {"channel_id": town.id}, "web": {"room": "lobby"}}}],
        }

        def saying(text: str) -> Post:
            (found,) = [post for post in server.posts(town) if post.message == text]
            return found

        async def shows(*texts: str) -> None:
            await server.until(lambda: server.messages(town) == list(texts), within=15)

        def reactions(text: str) -> list[str]:
            return sorted(server.reactions_of(saying(text)))

        await daemon.start(file)
        web = Side(daemon, http, "web")
        async with web.joined("Ida") as ida:
            was = ida.welcome["session"]
            question = await does(ida, type="post", text="a question")
            notes = await web.upload(ida, "notes.bin", CONTENT)
            await does(ida, type="post", text="a file", files=[notes])
            await shows("a question", "a file")
            assert server.files_of(saying("a file")) == [("notes.bin", CONTENT)]
            server.post_as(ada, town, "an answer", root=saying("a question"))
            theirs = server.upload_as(ada, town, "theirs.txt", b"plain words")
            picture = server.post_as(ada, town, "their file", files=[theirs])
            history = await web.shows(
                ("a question", None, (), ()),
                ("a file", None, (), ("notes.bin",)),
                ("an answer", "a question", (), ()),
                ("their file", None, (), ("theirs.txt",)),
            )
            assert await web.content(history[3]["files"][0]["id"]) == b"plain words"
        assert await daemon.stop() == 0

        await daemon.start(file)
        web = Side(daemon, http, "web")
        async with web.joined("Ida", was) as ida:
            ids = {each["text"]: each["id"] for each in ida.history}
            await does(ida, type="edit", message=question, text="a better question")
            await does(ida, type="react", message=ids["an answer"], emoji="\N{PARTY POPPER}")
            await does(ida, type="post", text="and thanks", reply_to=ids["an answer"])
            await does(ida, type="delete", message=ids["a file"])
            server.edit(saying("an answer"), "a better answer")
            server.edit(picture, "their one file")
            await shows("a better question", "a better answer", "their one file", "and thanks")
            assert saying("and thanks").root_id == saying("a better question").id
            assert reactions("a better answer") == ["tada"]
            server.react_as(ada, saying("a better question"), "+1")
            await web.shows(
                ("a better question", None, ("\N{THUMBS UP SIGN}",), ()),
                ("a better answer", "a better question", ("\N{PARTY POPPER}",), ()),
                ("their one file", None, (), ("theirs.txt",)),
                ("and thanks", "a better answer", (), ()),
            )
            await does(ida, type="react", message=ids["an answer"], emoji="\N{PARTY POPPER}", add=False)
            await server.until(lambda: reactions("a better answer") == [])
            server.delete(saying("their one file"))
            await web.shows(
                ("a better question", None, ("\N{THUMBS UP SIGN}",), ()),
                ("a better answer", "a better question", (), ()),
                ("and thanks", "a better answer", (), ()),
            )
        assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []
