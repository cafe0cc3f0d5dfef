"""The lane of an event: its thread."""

from typing import Any

import pytest

from backscroll.adapters.lanes import Lane
from backscroll.adapters.slack.lanes import lane_of


@pytest.mark.parametrize(
    ("event", "lane"),
    [
        ({"channel": "C1", "ts": "1.0"}, ("C1", "1.0")),
        ({"channel": "C1", "ts": "2.0", "thread_ts": "1.0"}, ("C1", "1.0")),
        ({"channel": "D1", "channel_type": "im", "ts": "2.0"}, ("D1", "D1")),
        ({"channel": "C1", "ts": "3.0", "subtype": "message_changed", "message": {"ts": "1.0"}}, ("C1", "1.0")),
        ({"type": "reaction_added", "item": {"channel": "C1", "ts": "1.0"}}, None),
        ({"channel": 5, "ts": "1.0"}, None),
        ({"channel": "C1", "subtype": "message_changed", "message": None}, None),
    ],
)
def test_lane_of_an_event_is_its_thread(event: dict[str, Any], lane: Lane | None) -> None:
    assert lane_of(event) == lane
