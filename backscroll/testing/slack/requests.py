"""The HTTP side: signed requests to the app's Request URL, and what the app answered.

Source: docs.slack.dev/authentication/verifying-requests-from-slack. Proved by `tests/unit/testing/test_requests.py`.
"""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import aiohttp

from backscroll.testing.slack.delivery import Courier, Delivery, Errand
from backscroll.testing.slack.models import Json
from backscroll.testing.slack.workspace import Workspace

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app answered to one request."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def content(self) -> Any:
        """The body: what its JSON holds, else its text; None when it is empty."""
        if not self.text:
            return None
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


class Requests:
    """Posts to the app. Every request is signed; a test may ask for a signature that does not hold."""

    is_open = True

    def __init__(self, workspace: Workspace, courier: Courier) -> None:
        self._workspace = workspace
        self._courier = courier
        self._session: aiohttp.ClientSession | None = None
        self._last: tuple[bytes, dict[str, str]] | None = None

    def open(self) -> None:
        """Begin; the loop must be running."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """End every connection to the app."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def carry(self, errand: Errand, delivery: Delivery) -> None:
        """Post one attempt; anything but a 2xx in time is a miss, and `x-slack-no-retry` ends the repeats."""
        headers = {}
        if errand.attempt:
            headers = {"x-slack-retry-num": str(errand.attempt), "x-slack-retry-reason": errand.reason}
        try:
            answer = await self.send(errand.body.encode(), headers=headers)
        except TimeoutError:
            self._courier.miss(errand, "http_timeout")
            return
        except aiohttp.ClientError:
            self._courier.miss(errand, "connection_failed")
            return
        delivery.status = answer.status
        if 200 <= answer.status < 300:
            self._courier.settle(errand, delivery)
        else:
            self._courier.miss(errand, "http_error", again=answer.headers.get("x-slack-no-retry") != "1")

    async def send(
        self,
        body: bytes,
        *,
        content_type: str = JSON_TYPE,
        signing_secret: str | None = None,
        age_s: float = 0.0,
        headers: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Post a body, signed with `signing_secret` (the right one by default) `age_s` ago.

        `headers` are added last, so they can replace the signature.
        Raises: TimeoutError: no answer in `timeout_s`. aiohttp.ClientError: no connection.
        """
        timestamp = str(int(time.time() - age_s))
        secret = self._workspace.signing_secret if signing_secret is None else signing_secret
        signed = {
            "content-type": content_type,
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": sign(secret, timestamp, body),
            **(headers or {}),
        }
        return await self._post(body, signed, timeout_s)

    async def replay(self) -> Answer:
        """Post the last request once more, byte for byte.

        Raises: RuntimeError: nothing was sent yet. TimeoutError; aiohttp.ClientError.
        """
        if self._last is None:
            raise RuntimeError("There is no request to send again.")
        return await self._post(*self._last, None)

    async def ask(self, payload: Json, timeout_s: float) -> Any:
        """Post a payload as a form, as slash commands are, and return what the app answered.

        Raises: TimeoutError; aiohttp.ClientError.
        """
        body = urlencode(payload).encode()
        return (await self.send(body, content_type=FORM_TYPE, timeout_s=timeout_s)).content

    async def _post(self, body: bytes, headers: dict[str, str], timeout_s: float | None) -> Answer:
        url = self._workspace.switches.request_url
        if self._session is None or url is None:
            raise RuntimeError("There is no request_url to send to.")
        self._last = (body, headers)
        async with asyncio.timeout(timeout_s or self._workspace.switches.retry_after_s):
            async with self._session.post(url, data=BytesIO(body), headers=headers, allow_redirects=False) as response:
                text = await response.text(errors="replace")
                return Answer(response.status, text, {name.lower(): v for name, v in response.headers.items()})


def sign(signing_secret: str, timestamp: str, body: bytes) -> str:
    """Return the `x-slack-signature` of a body."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(signing_secret.encode(), base, hashlib.sha256).hexdigest()
