"""Files that came with messages, fetched from Slack's own hosts, which alone are shown the token.

Proved by `tests/scenario/test_slack_files.py`. Source: docs.slack.dev/reference/objects/file-object
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import aiohttp

from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.files import STUB, location_of
from backscroll.adapters.slack.workspaces import Workspaces
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.models import Attachment

REDIRECT_COUNT = 5
CHUNK_BYTES = 65_536
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=20, sock_read=30)


class Downloads:
    """Reads files of the workspaces of one app."""

    def __init__(self, api: SlackApi, workspaces: Workspaces, *, hosts: frozenset[str], limit_bytes: int) -> None:
        self._api = api
        self._workspaces = workspaces
        self._hosts = hosts
        self._limit_bytes = limit_bytes
        # Slack's own pages are never without encryption; a stand-in's may be.
        self._schemes = {"https", urlsplit(api.base_url).scheme}

    @asynccontextmanager
    async def open(self, workspace: str, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        """Begin to read a file, as `Adapter.download`."""
        self._must_fit(attachment.size_bytes)
        token = (await self._workspaces.named(workspace)).token
        url = await self._url(token, attachment)
        async with await self._get(url, token) as answer:
            self._must_be_the_file(answer, attachment)
            yield self._chunks(answer, attachment)

    async def _get(self, url: str, token: str) -> aiohttp.ClientResponse:
        """Ask for a file, and where it was moved to."""
        for _ in range(REDIRECT_COUNT):
            self._must_be_allowed(url)
            try:
                answer = await self._api.session.get(
                    url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False, timeout=_TIMEOUT
                )
            except _BROKEN as error:
                raise _unavailable(error) from None
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            answer.release()
            url = _moved(url, answer.headers.get("Location", ""))
        raise AdapterError(f"A file was moved more than {REDIRECT_COUNT} times.")

    async def _url(self, token: str, attachment: Attachment) -> str:
        location = str(attachment.location)
        if not location.startswith(STUB):
            return location
        answer = await self._api.call(token, "files.info", file=location.removeprefix(STUB))
        file = answer.get("file")
        found = location_of(file) if isinstance(file, dict) else None
        if found is None or found.startswith(STUB):
            raise AdapterError("Slack does not say where a shared file lies.")
        return found

    def _must_be_allowed(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise AdapterError("A file's address cannot be read.") from None
        if parts.scheme not in self._schemes or host not in self._hosts or port == 0:
            raise AdapterError(
                "A file lies on a host that is not fetched from.",
                "Add the host to adapters.slack.file_hosts, if the bot's token may be shown there.",
            )

    def _must_fit(self, size_bytes: int | None) -> None:
        if size_bytes is not None and size_bytes > self._limit_bytes:
            raise AdapterError(f"A file has {size_bytes:,} bytes; {self._limit_bytes:,} are kept at most.")

    def _must_be_the_file(self, answer: aiohttp.ClientResponse, attachment: Attachment) -> None:
        if answer.status >= 500 or answer.status == 429:
            raise AdapterUnavailableError(f"A file's host answered with status {answer.status}.")
        if answer.status != 200:
            raise AdapterError(f"A file's host answered with status {answer.status}.")
        is_page = answer.content_type == "text/html"
        if is_page and (attachment.type != "text/html" or attachment.size_bytes is None):
            raise AdapterError("Slack gave a sign-in page for a file.", "Add the scope files:read to the app.")
        self._must_fit(answer.content_length)

    async def _chunks(self, answer: aiohttp.ClientResponse, attachment: Attachment) -> AsyncIterator[bytes]:
        count = 0
        try:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                count += len(chunk)
                self._must_fit(count)
                yield chunk
        except _BROKEN as error:
            raise _unavailable(error) from None
        if attachment.size_bytes is not None and count != attachment.size_bytes:
            raise AdapterError(f"A file has {count:,} bytes; Slack had said {attachment.size_bytes:,}.")


def _moved(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise AdapterError("A file was moved to an address that cannot be read.") from None


def _unavailable(error: Exception) -> AdapterUnavailableError:
    return AdapterUnavailableError(f"A file's host did not answer: {type(error).__name__}.")
