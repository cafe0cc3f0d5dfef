"""Which events of Slack's keep their order: bolt runs every one as a task of its own, and they overtake each other.

Proved by `tests/unit/adapters/slack/test_lanes.py`.
"""

from typing import Any

from backscroll.adapters.lanes import Lane


def lane_of(event: dict[str, Any]) -> Lane | None:
    """Name the lane of an event that tells of a message; None for what has none, or is malformed.

    What begins in a DM shares one, whatever view of it the app has.
    """
    message = event.get("message") if event.get("subtype") == "message_changed" else event
    if not isinstance(message, dict):
        return None
    channel = event.get("channel")
    thread = message.get("thread_ts") or (channel if event.get("channel_type") == "im" else message.get("ts"))
    return (channel, thread) if isinstance(channel, str) and isinstance(thread, str) else None
