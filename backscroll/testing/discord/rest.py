"""REST at the wire: reads a call, checks its token, lets ordered faults happen, answers.

Proved by `tests/unit/testing/discord/test_rest.py` and `test_faults.py`.
"""

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from backscroll.testing.discord.faults import Faults
from backscroll.testing.discord.models import Json
from backscroll.testing.discord.routes import ROUTES, ApiError, Call, Desk, Route, Upload
from backscroll.testing.faults import Fault
from backscroll.testing.loopback import cut, cut_within, page

PREFIX = "/api/v10"
# What anybody may ask, and what proves itself by the token in its path.
_OPEN = re.compile(r"/gateway|/(interactions|webhooks)/\d+/[^/]+(/.*)?")
_FILE_PART = re.compile(r"files?\[?(\d*)\]?")


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One REST call that came in. `path` is without `/api/v10`, `params` is its query, `json` its form.

    `files` are the names of the files that came with it.
    """

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    json: Any = None
    files: tuple[str, ...] = ()


class RestApi:
    """Serves `/api/v10/…`. Keeps every call, also those that fail."""

    def __init__(self, desk: Desk) -> None:
        self.calls: list[ReceivedCall] = []
        self.faults = Faults()
        self._desk = desk
        self._routes = [(method, path, _matcher(path), route) for (method, path), route in ROUTES.items()]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        path = "/" + request.match_info["path"]
        body, uploads = await _read(request)
        query = dict(request.query)
        names = tuple(upload.name for upload in uploads)
        self.calls.append(ReceivedCall(request.method, path, query, body, names))
        fault = self.faults.next_for(request.method, path)
        if latency_s := self._desk.world.switches.latency_s:
            await asyncio.sleep(latency_s)
        call = Call(request.method, path, {}, query, body, self._desk, uploads)
        if fault is not None:
            return await self._go_wrong(fault, request, call)
        return await self._answer(request, call)

    async def _go_wrong(self, fault: Fault, request: web.Request, call: Call) -> web.StreamResponse:
        match fault.kind:
            case "rate_limited":
                return _limited(fault)
            case "server_error":
                return web.Response(status=fault.status, text="upstream connect error")
            case "error":
                return _json({"message": fault.name, "code": fault.code}, status=fault.status)
            case "page":
                return page()
            case "hang":
                await asyncio.sleep(fault.seconds)
                return await self._answer(request, call)
            case "cut_before":
                return cut(request)
            case "cut_after":
                await self._answer(request, call)
                return cut(request)
            case "cut_within":
                return await cut_within(request, await self._answer(request, call))

    async def _answer(self, request: web.Request, call: Call) -> web.Response:
        try:
            if not _OPEN.fullmatch(call.path):
                self._check(request)
            template, route = self._find(call)
            answer = await route(call)
        except ApiError as error:
            return _json(error.body, status=error.status)
        headers = _limits(call, template)
        if answer is None:
            return web.Response(status=204, headers=headers)
        return _json(answer, headers=headers)

    def _check(self, request: web.Request) -> None:
        world = self._desk.world
        if request.headers.get("Authorization") != f"Bot {world.token}" or world.is_token_refused:
            raise ApiError(401, 0, "401: Unauthorized")

    def _find(self, call: Call) -> tuple[str, Route]:
        is_path_known = False
        for method, template, matcher, route in self._routes:
            found = matcher.fullmatch(call.path)
            if found is not None and method == call.method:
                call.ids.update(found.groupdict())
                return template, route
            is_path_known = is_path_known or found is not None
        raise ApiError(
            405 if is_path_known else 404, 0, "405: Method Not Allowed" if is_path_known else "404: Not Found"
        )


def _matcher(template: str) -> re.Pattern[str]:
    """Return what a path of this template matches; what is named an id is a number."""
    pattern = re.sub(r"\{(\w+_id)\}", r"(?P<\1>\\d+)", re.escape(template).replace(r"\{", "{").replace(r"\}", "}"))
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))


async def _read(request: web.Request) -> tuple[Any, list[Upload]]:
    """Return a call's JSON, None without one, and the files that came with it."""
    if request.content_type != "multipart/form-data":
        return _parsed(await request.read()), []
    form: Json = {}
    uploads: list[Upload] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        content = bytes(await part.read())
        if part.filename is None:
            form[part.name or ""] = content
            continue
        number = _FILE_PART.fullmatch(part.name or "")
        uploads.append(Upload(number[1] if number else "", part.filename, content, part.headers.get("Content-Type")))
    if "payload_json" in form:
        return _parsed(form["payload_json"]), uploads
    return {name: value.decode(errors="replace") for name, value in form.items()}, uploads


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _json(answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py reads no JSON from a type that names a charset.
    told = {**(headers or {}), "Content-Type": "application/json"}
    return web.Response(body=json.dumps(answer).encode(), status=status, headers=told)


def _limits(call: Call, template: str) -> dict[str, str]:
    """Return the headers of a rate limit that is far away. Source: docs.discord.com/developers/topics/rate-limits."""
    bucket = hashlib.sha256(f"{call.method} {template}".encode()).hexdigest()[:32]
    return {
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "999",
        "X-RateLimit-Reset-After": "1.000",
        "X-RateLimit-Reset": f"{call.desk.world.now_ms() / 1000 + 1:.3f}",
        "X-RateLimit-Bucket": bucket,
        "Via": "1.1 google",
    }


def _limited(fault: Fault) -> web.Response:
    headers = {"Retry-After": f"{fault.seconds:g}"}
    if not fault.has_via:
        return web.Response(status=429, text="error code: 1015", headers=headers)
    headers["Via"] = "1.1 google"
    headers["X-RateLimit-Scope"] = "global" if fault.is_global else "user"
    if fault.is_global:
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": fault.seconds, "global": fault.is_global}
    return _json(body, status=429, headers=headers)
