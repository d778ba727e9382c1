"""Files: `files.*`, the address that takes an upload, and the one that gives a file out.

https://docs.slack.dev/messaging/working-with-files: the message that shows uploaded files is made after
`files.completeUploadExternal` was answered, and that answer does not name it.
"""

from __future__ import annotations

import asyncio
import json
import time

from aiohttp import web

from nextbridge.sandbox.slack.calls import Call, Method
from nextbridge.sandbox.slack.chat import blocks_of, customized
from nextbridge.sandbox.slack.records import Channel, File, Json, Message, new_id
from nextbridge.sandbox.slack.refusals import Refusal
from nextbridge.sandbox.slack.workspace import Workspace

__all__ = ["FileStore"]

_LARGEST = 1024 * 1024 * 1024


class FileStore:
    """A workspace's files."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.sharing_seconds = 0.01
        """How long after its completion a file is shown."""
        self.holds_back = False
        """Whether no file is shown until `share_held` says so."""
        self._held: list[tuple[Channel, Message]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.table: dict[str, Method] = {
            "files.getUploadURLExternal": self._address,
            "files.completeUploadExternal": self._complete,
            "files.info": self._info,
        }

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def share_held(self) -> None:
        """Show what was held back."""
        self.holds_back = False
        held, self._held = self._held, []
        for channel, message in held:
            self._share(channel, message)

    async def _address(self, call: Call) -> Json:
        call.needs("files:write")
        name, size = call.parameters.required("filename"), call.parameters.number("length", 0)
        if size < 1:
            raise Refusal(
                "invalid_arguments", response_metadata={"messages": ["[ERROR] must be greater than 0: length"]}
            )
        if size > _LARGEST:
            raise Refusal("file_too_large")
        file = File(new_id("F"), name, size, call.me, int(time.time()))
        self._workspace.files[file.id] = file
        return {"upload_url": f"{call.address}/upload/v1/{file.id}", "file_id": file.id}

    async def upload(self, request: web.Request) -> web.Response:
        """Take the bytes of a file: as they are, or in a form."""
        file = self._workspace.files.get(request.match_info["file"])
        if file is None or file.content is not None:
            return web.Response(status=404, text="no such upload")
        content = await request.read()
        if request.content_type == "multipart/form-data":
            form = await request.post()
            part = next((each for each in form.values() if isinstance(each, web.FileField)), None)
            content = part.file.read() if part is not None else b""
        if len(content) != file.size:
            return web.Response(status=400, text="not as long as was said")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def _complete(self, call: Call) -> Json:
        call.needs("files:write")
        wanted = call.parameters.structure("files", "invalid_arguments")
        if isinstance(wanted, str):
            wanted = json.loads(wanted)
        files = []
        for each in wanted or ():
            file = self._workspace.files.get(str(each.get("id")))
            if file is None or file.content is None or file.user != call.me:
                raise Refusal("file_not_found")
            if file.completed:
                raise Refusal("file_update_failed")
            files.append(file)
            file.title = each.get("title") or file.name
        if not files:
            raise Refusal("invalid_arguments")
        if call.parameters.text("channel_id"):
            channel = call.channel_to_write("channel_id")
            message = Message(
                "",
                user=call.me,
                text=call.parameters.text("initial_comment"),
                blocks=None if call.parameters.text("initial_comment") else blocks_of(call),
                subtype="file_share",
                thread_ts=call.parameters.text("thread_ts"),
                app=call.app,
                files=files,
            )
            customized(call, message)
            self._later(channel, message)
        for file in files:
            file.completed = True
        return {"files": [{"id": each.id, "title": each.title} for each in files]}

    def _later(self, channel: Channel, message: Message) -> None:
        if self.holds_back:
            self._held.append((channel, message))
            return

        async def share() -> None:
            await asyncio.sleep(self.sharing_seconds)
            self._share(channel, message)

        task = asyncio.get_running_loop().create_task(share())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _share(self, channel: Channel, message: Message) -> None:
        message.ts = self._workspace.clock.ts()
        self._workspace.post(channel, message)

    async def _info(self, call: Call) -> Json:
        call.needs("files:read")
        file = self._workspace.files.get(call.parameters.text("file"))
        if file is None:
            raise Refusal("file_not_found")
        if file.deleted:
            raise Refusal("file_deleted")
        return {"file": file.as_json(call.address, self._workspace.channels), "comments": []}

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Give out a file to an app that may read it; anybody else is sent to where people sign in."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        app = next((each for each in self._workspace.apps.values() if each.token == token), None)
        file = self._workspace.files.get(request.match_info["file"])
        if app is None or app.revoked or "files:read" not in app.scopes:
            raise web.HTTPFound("https://sandbox.slack.com/?redir=files")
        if file is None or file.content is None or file.deleted:
            raise web.HTTPNotFound
        return web.Response(body=file.content, content_type=file.mimetype)
