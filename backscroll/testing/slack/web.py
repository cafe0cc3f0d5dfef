"""The Web API at the wire: reads a call, checks its token, lets ordered faults happen, answers.

Proved by `tests/unit/testing/test_web.py` and `test_faults.py`.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from backscroll.testing.faults import Fault
from backscroll.testing.loopback import cut, cut_within, page
from backscroll.testing.slack.delivery import Courier
from backscroll.testing.slack.faults import Faults
from backscroll.testing.slack.methods import METHODS, ApiError, Call, Desk
from backscroll.testing.slack.models import Json
from backscroll.testing.slack.sockets import Sockets
from backscroll.testing.slack.talk import Talk
from backscroll.testing.slack.workspace import Workspace

# What clients send as JSON inside a form.
_NESTED = ("attachments", "blocks", "chunks", "files", "metadata", "prompts")
SCOPES = (
    "app_mentions:read,assistant:write,channels:history,chat:write,files:read,files:write,im:history,reactions:read"
)


class ReceivedCall(NamedTuple):
    """One call that the Web API received. The token is not among its params."""

    method: str
    params: Json


class WebApi:
    """Serves `/api/METHOD`. Keeps every call, also those that fail."""

    def __init__(self, workspace: Workspace, talk: Talk, courier: Courier, sockets: Sockets) -> None:
        self.calls: list[ReceivedCall] = []
        self.faults = Faults()
        self._workspace = workspace
        self._sockets = sockets
        self._desk = Desk(workspace, talk, courier.spawn)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        method = request.match_info["method"]
        params = await read_params(request)
        given = str(params.pop("token", ""))
        header = request.headers.get("Authorization", "")
        token = header[7:] if header[:7].lower() == "bearer " else given
        self.calls.append(ReceivedCall(method, params))
        fault = self.faults.next_for(method, params)
        if latency_s := self._workspace.switches.latency_s:
            await asyncio.sleep(latency_s)
        if fault is not None:
            return await self._go_wrong(fault, request, method, params, token)
        return await self._answer(request, method, params, token)

    async def _go_wrong(
        self, fault: Fault, request: web.Request, method: str, params: Json, token: str
    ) -> web.StreamResponse:
        match fault.kind:
            case "rate_limited":
                return _limited(int(fault.seconds))
            case "server_error":
                return web.Response(status=fault.status, text="upstream connect error")
            case "error":
                return _no(fault.name)
            case "page":
                return page()
            case "hang":
                await asyncio.sleep(fault.seconds)
                return await self._answer(request, method, params, token)
            case "cut_before":
                return cut(request)
            case "cut_after":
                await self._answer(request, method, params, token)
                return cut(request)
            case "cut_within":
                answer = await self._answer(request, method, params, token)
                return await cut_within(request, answer)

    async def _answer(self, request: web.Request, method: str, params: Json, token: str) -> web.Response:
        try:
            if method == "api.test":
                answer: Json = {"args": params}
            elif method == "oauth.v2.access":
                answer = self._grant(request, params)
            elif method == "apps.connections.open":
                answer = self._open_connection(token)
            else:
                answer = await self._call(method, params, token)
        except ApiError as error:
            return _no(error.name) if error.retry_after_s is None else _limited(error.retry_after_s)
        return web.json_response({"ok": True, **answer}, headers={"x-oauth-scopes": SCOPES})

    async def _call(self, method: str, params: Json, token: str) -> Json:
        function = METHODS.get(method)
        if function is None:
            raise ApiError("unknown_method")
        if not token:
            raise ApiError("not_authed")
        if token in self._workspace.revoked_tokens:
            raise ApiError("token_revoked")
        team = self._workspace.team_of(token)
        if team is None:
            raise ApiError("not_allowed_token_type" if token == self._workspace.app_token else "invalid_auth")
        return await function(Call(method, params, team, self._desk, token))

    def _open_connection(self, token: str) -> Json:
        if not token:
            raise ApiError("not_authed")
        if token != self._workspace.app_token:
            raise ApiError("not_allowed_token_type" if self._workspace.team_of(token) else "invalid_auth")
        if self._sockets.are_refused:
            raise ApiError("internal_error")
        return {"url": self._sockets.new_url()}

    def _grant(self, request: web.Request, params: Json) -> Json:
        """Change a code for a token, once.

        Source: docs.slack.dev/reference/methods/oauth.v2.access
        """
        given = _basic(request) or (params.get("client_id"), params.get("client_secret"))
        if given[0] != self._workspace.client_id:
            raise ApiError("invalid_client_id")
        if given[1] != self._workspace.client_secret:
            raise ApiError("bad_client_secret")
        team = self._workspace.codes.pop(str(params.get("code")), None)
        if team is None:
            raise ApiError("invalid_code")
        return {
            "app_id": team.app_id,
            "authed_user": {"id": self._workspace.new_id("U")},
            "scope": SCOPES,
            "token_type": "bot",
            "access_token": team.bot_token,
            "bot_user_id": team.bot_user_id,
            "team": None if team.is_org_wide else {"id": team.id, "name": team.name},
            "enterprise": {"id": team.enterprise_id, "name": team.name} if team.enterprise_id else None,
            "is_enterprise_install": team.is_org_wide,
        }


async def read_params(request: web.Request) -> Json:
    """Return a call's arguments, from the query, a form or JSON, with what is nested in them read."""
    params: Json = dict(request.query)
    if request.content_type == "application/json":
        body = await request.read()
        try:
            read = json.loads(body) if body else {}
        except ValueError:
            read = {}
        if isinstance(read, dict):
            params.update(read)
    elif request.body_exists:
        form: Mapping[str, object] = await request.post()
        params.update(form)
    for name in _NESTED:
        value = params.get(name)
        if isinstance(value, str):
            try:
                params[name] = json.loads(value)
            except ValueError:
                # The method says what is wrong with it.
                continue
    return params


def _basic(request: web.Request) -> tuple[str, str] | None:
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret


def _no(name: str) -> web.Response:
    return web.json_response({"ok": False, "error": name})


def _limited(retry_after_s: int) -> web.Response:
    headers = {"Retry-After": str(retry_after_s)}
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
