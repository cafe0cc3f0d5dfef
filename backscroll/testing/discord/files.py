"""Where the bytes of files go out, beside REST. Proved by `tests/unit/testing/discord/test_files.py`."""

import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote

from aiohttp import web

from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World
from backscroll.testing.loopback import give


class FileServer:
    """Serves `/attachments/…` to everyone whose address is signed and still holds."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views

    async def give(self, request: web.Request) -> web.StreamResponse:
        """Give a file's bytes."""
        ids, name = request.match_info, quote(request.match_info["name"], safe="")
        file = self._world.files.get(ids["file"])
        if file is None:
            return web.Response(status=404, text="This content is no longer available.")
        if not self._holds(f"/attachments/{ids['channel']}/{file.id}/{name}", request.query):
            return web.Response(status=self._world.expired_status, text="This content is no longer available.")
        if file.status != 200:
            return web.Response(status=file.status, text="upstream error")
        return await give(request, file)

    def _holds(self, path: str, query: Mapping[str, str]) -> bool:
        ends = query.get("ex", "")
        try:
            is_over = int(ends, 16) < time.time()
        except ValueError:
            return False
        return not is_over and hmac.compare_digest(query.get("hm", ""), self._views.signature(path, ends))
