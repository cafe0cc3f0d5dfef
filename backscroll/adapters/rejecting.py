"""What an adapter cannot understand, put aside whole for somebody to look at.

Proved by `tests/unit/adapters/slack/test_receiving.py`, `tests/scenario/test_slack_malformed.py` and
`test_discord_malformed.py`.
"""

import json
from typing import Any

from backscroll.adapters.base import Inbox

REASON_LENGTH = 500


async def put_aside(inbox: Inbox, platform: str, reason: str, body: Any) -> None:
    """Keep what came with the reason why it is not understood; as its text, where no database could hold it as JSON.

    Raises: StorageUnavailableError: it is not kept.
    """
    payload = body if isinstance(body, dict) else {"payload": body}
    try:
        await inbox.reject(platform, reason[:REASON_LENGTH], payload)
    except (ValueError, RecursionError):
        await inbox.reject(platform, reason[:REASON_LENGTH], {"text": _written(body)})


def _written(body: Any) -> str:
    if isinstance(body, bytes):
        return body.decode(errors="replace")
    try:
        return json.dumps(body, default=str)
    except (ValueError, RecursionError):
        return "It is nested too deeply to be written down."
