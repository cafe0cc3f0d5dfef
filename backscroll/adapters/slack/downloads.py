"""Files that came with messages on Slack, whose own hosts alone are shown the token.

Proved by `tests/scenario/test_slack_files.py`. Source: docs.slack.dev/reference/objects/file-object
"""

from urllib.parse import urlsplit

import aiohttp

from backscroll.adapters.downloads import Downloads
from backscroll.adapters.slack.api import SlackApi
from backscroll.adapters.slack.files import STUB, location_of
from backscroll.adapters.slack.workspaces import Workspaces
from backscroll.errors import AdapterError
from backscroll.storage.models import Attachment


def make_downloads(api: SlackApi, workspaces: Workspaces, *, hosts: frozenset[str], limit_bytes: int) -> Downloads:
    """Make what reads the files of the workspaces of one app."""

    async def token_of(workspace: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {(await workspaces.named(workspace)).token}"}

    async def locate(workspace: str, attachment: Attachment) -> str | None:
        location = str(attachment.location)
        if not location.startswith(STUB):
            return location
        token = (await workspaces.named(workspace)).token
        answer = await api.call(token, "files.info", file=location.removeprefix(STUB))
        file = answer.get("file")
        found = location_of(file) if isinstance(file, dict) else None
        return None if found is None or found.startswith(STUB) else found

    return Downloads(
        lambda: api.session,
        "Slack",
        hosts=hosts,
        # Slack's own pages are never without encryption; a stand-in's may be.
        schemes={"https", urlsplit(api.base_url).scheme},
        limit_bytes=limit_bytes,
        hint="Add the host to adapters.slack.file_hosts, if the bot's token may be shown there.",
        headers=token_of,
        locate=locate,
        look=_must_be_no_page,
    )


def _must_be_no_page(answer: aiohttp.ClientResponse, attachment: Attachment) -> None:
    is_page = answer.content_type == "text/html"
    if is_page and (attachment.type != "text/html" or attachment.size_bytes is None):
        raise AdapterError("Slack gave a sign-in page for a file.", "Add the scope files:read to the app.")
