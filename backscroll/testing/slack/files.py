"""Where the bytes of files go in and out, beside the Web API. Proved by `tests/unit/testing/test_files.py`."""

from aiohttp import BodyPartReader, web

from backscroll.testing.loopback import give
from backscroll.testing.slack.workspace import Workspace

SIGN_IN_PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to your workspace</body></html>"


class FileServer:
    """Serves `/files-pri/` and takes `/upload/v1/`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def give(self, request: web.Request) -> web.StreamResponse:
        """Give a file's bytes to who has a token for its team. Everyone else gets a sign-in page, with 200."""
        file = self._workspace.files.get(request.match_info["key"].rpartition("-")[2])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        team = None if token in self._workspace.revoked_tokens else self._workspace.team_of(token)
        if file is None or team is None or team.id != file.team_id:
            return web.Response(text=SIGN_IN_PAGE, content_type="text/html")
        return await give(request, file)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a file's bytes, raw or as a form's first part."""
        file = self._workspace.files.get(request.match_info["file_id"])
        if file is None or file.content:
            return web.Response(status=404, text="Not found")
        if request.content_type == "multipart/form-data":
            part = await (await request.multipart()).next()
            file.content = bytes(await part.read()) if isinstance(part, BodyPartReader) else b""
        else:
            file.content = await request.read()
        file.size = len(file.content)
        return web.Response(text=f"OK - {file.size}")
