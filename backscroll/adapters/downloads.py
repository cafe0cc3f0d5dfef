"""Files that came with messages, fetched from the platform's own hosts and from no other.

What a host is shown besides the address, such as a token, is the platform's matter. Proved by
`tests/unit/adapters/test_downloads.py` and `tests/scenario/test_slack_files.py`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import aiohttp

from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.models import Attachment

REDIRECT_COUNT = 5
CHUNK_BYTES = 65_536
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=20, sock_read=30)

Headers = Callable[[str], Awaitable[dict[str, str]]]
"""Gives what the hosts are shown in a workspace. Errors as `Adapter.download`."""

Locate = Callable[[str, Attachment], Awaitable[str | None]]
"""Gives the address of a workspace's file; None when nobody knows one. Errors as `Adapter.download`."""

Look = Callable[[aiohttp.ClientResponse, Attachment], None]
"""Looks at an answer of status 200 before it is read. Raises: AdapterError: it is not the file."""


class Downloads:
    """Reads files of one platform.

    Args: session: gives the connections. platform: its name, for errors. hosts, schemes: which alone are asked, also
        where a file was moved to. hint: what to do about a host that is not among them. headers: none unless given.
        locate: where a file lies, unless at its location. renew: another address, asked for once for a file that its
        host does not give or does not have (403, 404), as of a link that is over. look: tells the file from what a host
        gives in its place.
    """

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        platform: str,
        *,
        hosts: Collection[str],
        schemes: Collection[str] = ("https",),
        limit_bytes: int,
        hint: str,
        headers: Headers | None = None,
        locate: Locate | None = None,
        renew: Locate | None = None,
        look: Look | None = None,
    ) -> None:
        self._session = session
        self._platform = platform
        self._hosts = hosts
        self._schemes = schemes
        self._limit_bytes = limit_bytes
        self._hint = hint
        self._headers = headers
        self._locate = locate
        self._renew = renew
        self._look = look

    @asynccontextmanager
    async def open(self, workspace: str, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        """Begin to read a file, as `Adapter.download`."""
        self._must_fit(attachment.size_bytes)
        headers = {} if self._headers is None else await self._headers(workspace)
        url = attachment.location if self._locate is None else await self._locate(workspace, attachment)
        if url is None:
            raise AdapterError(f"{self._platform} does not say where a file lies.")
        async with await self._get(url, headers) as answer:
            if answer.status not in (403, 404) or self._renew is None:
                yield self._read(answer, attachment)
                return
        renewed = await self._renew(workspace, attachment)
        if renewed is None:
            raise _refused(answer.status)
        async with await self._get(renewed, headers) as answer:
            yield self._read(answer, attachment)

    async def _get(self, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """Ask for a file, and where it was moved to."""
        for _ in range(REDIRECT_COUNT):
            self._must_be_allowed(url)
            try:
                answer = await self._session().get(url, headers=headers, allow_redirects=False, timeout=_TIMEOUT)
            except _BROKEN as error:
                raise _unavailable(error) from None
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            answer.release()
            url = _moved(url, answer.headers.get("Location", ""))
        raise AdapterError(f"A file was moved more than {REDIRECT_COUNT} times.")

    def _must_be_allowed(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise AdapterError("A file's address cannot be read.") from None
        if parts.scheme not in self._schemes or host not in self._hosts or port == 0:
            raise AdapterError("A file lies on a host that is not fetched from.", self._hint)

    def _must_fit(self, size_bytes: int | None) -> None:
        if size_bytes is not None and size_bytes > self._limit_bytes:
            raise AdapterError(f"A file has {size_bytes:,} bytes; {self._limit_bytes:,} are kept at most.")

    def _read(self, answer: aiohttp.ClientResponse, attachment: Attachment) -> AsyncIterator[bytes]:
        """Begin to read what a host gives."""
        if answer.status >= 500 or answer.status == 429:
            raise AdapterUnavailableError(f"A file's host answered with status {answer.status}.")
        if answer.status != 200:
            raise _refused(answer.status)
        if self._look is not None:
            self._look(answer, attachment)
        self._must_fit(answer.content_length)
        return self._chunks(answer, attachment)

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
            raise AdapterError(f"A file has {count:,} bytes; {self._platform} had said {attachment.size_bytes:,}.")


def _moved(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise AdapterError("A file was moved to an address that cannot be read.") from None


def _refused(status: int) -> AdapterError:
    return AdapterError(f"A file's host answered with status {status}.")


def _unavailable(error: Exception) -> AdapterUnavailableError:
    return AdapterUnavailableError(f"A file's host did not answer: {type(error).__name__}.")
