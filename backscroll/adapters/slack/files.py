"""The files that came with a message, as attachments with the place of their content.

Proved by `tests/unit/adapters/slack/test_translate.py`. Source: docs.slack.dev/reference/objects/file-object
"""

from typing import Any

from backscroll.adapters.fields import Fields, list_in, need, object_in
from backscroll.storage.models import Attachment
from backscroll.storage.values import INT64

STUB = "slack-file:"
"""Before the id of a file of Slack Connect, whose URL files.info tells."""

_GONE_MODES = ("tombstone", "hidden_by_limit")
_ANY_TYPE = "application/octet-stream"


def files_of(message: Fields, at: str) -> tuple[Attachment, ...]:
    """Return a message's files; of one that is deleted or hidden, what is told of it, and no location.

    Raises: MalformedError: the files are no list of objects.
    """
    files = list_in(message, f"{at}.files") or []
    return tuple(_attachment(need(object_in, {"files[]": file}, f"{at}.files[]")) for file in files)


def _attachment(file: Fields) -> Attachment:
    size = file.get("size")
    has_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= INT64
    return Attachment(
        name=_first(file.get("name"), file.get("title"), file.get("id")) or "file",
        type=_first(file.get("mimetype")) or _ANY_TYPE,
        size_bytes=size if has_size else None,
        location=location_of(file),
    )


def location_of(file: Fields) -> str | None:
    """Return where a file's content lies: a URL, a stub that files.info tells of, or None."""
    if file.get("mode") in _GONE_MODES:
        return None
    if file.get("file_access") == "check_file_info":
        file_id = _first(file.get("id"))
        return f"{STUB}{file_id}" if file_id else None
    urls = (file.get("url_private_download"), file.get("url_private"))
    return next((url for url in urls if isinstance(url, str) and url.startswith(("https://", "http://"))), None)


def _first(*values: Any) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)
