"""/api/v4/files: uploads, and what can be fetched again."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import BodyPartReader, web
from msgspec import Struct

from nextbridge.sandbox.mattermost.records import FileInfo, User
from nextbridge.sandbox.mattermost.refusals import Refusal, forbidden, invalid_body_parameter
from nextbridge.sandbox.mattermost.rest.exchange import id_in_path, reply, signed_in
from nextbridge.sandbox.mattermost.world import World

__all__ = ["FileRoutes"]


class Uploaded(Struct):
    file_infos: list[FileInfo]
    client_ids: list[str]


class FileRoutes:
    """A file can be read by its owner and by the members of the channel that it was uploaded to."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/files", self.upload),
            web.get("/files/{file_id}", self.content),
            web.get("/files/{file_id}/info", self.info),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """A form with `channel_id` before the `files`, or one file's bare bytes with both names in the query."""
        user = signed_in(self._world, request)
        if request.content_type == "multipart/form-data":
            return await self._upload_form(request, user)
        channel_id, name = request.query.get("channel_id", ""), request.query.get("filename", "")
        if not name:
            raise invalid_body_parameter("filename")
        self._require_place_in(channel_id, user)
        content = bytearray()
        async for chunk in request.content.iter_any():
            content += chunk
            self._check_size(name, len(content))
        info = self._world.files.add(user.id, channel_id, name, bytes(content))
        return reply(Uploaded([info], []), status=201)

    async def _upload_form(self, request: web.Request, user: User) -> web.Response:
        channel_id = request.query.get("channel_id", "")
        uploaded = Uploaded([], [])
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise invalid_body_parameter("files")
            if part.name == "channel_id":
                channel_id = await part.text()
            elif part.name == "client_ids":
                uploaded.client_ids.append(await part.text())
            elif part.filename is not None:
                self._require_place_in(channel_id, user)
                content = await self._read(part, part.filename)
                uploaded.file_infos.append(self._world.files.add(user.id, channel_id, part.filename, content))
        if not uploaded.file_infos:
            self._require_place_in(channel_id, user)
            raise Refusal(400, "api.file.upload_file.no_files.app_error", "No files in the request.")
        return reply(uploaded, status=201)

    async def _read(self, part: BodyPartReader, name: str) -> bytes:
        content = bytearray()
        while chunk := await part.read_chunk(64 * 1024):
            content += chunk
            self._check_size(name, len(content))
        return bytes(content)

    def _check_size(self, name: str, size: int) -> None:
        most = self._world.settings.max_file_size
        if size > most:
            # The real server stops reading at the limit, so it does not know the size: it says -1.
            raise Refusal(
                413,
                "api.file.upload_file.too_large_detailed.app_error",
                f"Unable to upload file {name}. -1 bytes exceeds the maximum allowed {most} bytes.",
            )

    def _require_place_in(self, channel_id: str, user: User) -> None:
        if not channel_id:
            raise invalid_body_parameter("channel_id")
        self._world.channels.require_place_in(channel_id, user)

    async def info(self, request: web.Request) -> web.Response:
        return reply(self._readable(request), headers={"Cache-Control": "max-age=2592000, private"})

    async def content(self, request: web.Request) -> web.Response:
        info = self._readable(request)
        is_shown = info.mime_type.startswith(("image/", "video/", "audio/")) and "download" not in request.query
        name = quote(info.name)
        return web.Response(
            body=self._world.files.content(info.id),
            headers={
                "Cache-Control": "private, no-cache",
                "Content-Disposition": (
                    f"{'inline' if is_shown else 'attachment'};filename=\"{name}\"; filename*=UTF-8''{name}"
                ),
                "Content-Type": info.mime_type,
                "X-Content-Type-Options": "nosniff",
            },
        )

    def _readable(self, request: web.Request) -> FileInfo:
        user = signed_in(self._world, request)
        info = self._world.files.info(id_in_path(request, "file_id"))
        if info.user_id != user.id and not (
            user.is_admin or self._world.channels.is_member(self._world.files.channel_of(info.id), user.id)
        ):
            raise forbidden()
        return info
