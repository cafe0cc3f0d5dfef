"""What passes between the bot and storage."""

from datetime import UTC, datetime
from typing import Any

import pytest

from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.records import Arrival, MessageVersion, Part, Recorded, RejectedEvent, WantedFile

SECRET = "the-secret-words"
KEY = ThreadKey("slack", "T1", "C1", "1.0")
MESSAGE = Message(role="user", content=SECRET)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "record",
    [
        Arrival(KEY, MESSAGE, title=SECRET, place={"channel_name": SECRET}),
        WantedFile("m", 1, "slack", "T1", Attachment(name=SECRET, location=SECRET)),
        Recorded("t", MESSAGE, True, True),
        Part("m", 1, "token", SECRET, "waiting"),
        MessageVersion(SECRET, NOW),
        RejectedEvent("e", "slack", "a reason", {"text": SECRET}, NOW),
    ],
    ids=lambda record: type(record).__name__,
)
def test_repr_shows_no_text(record: Any) -> None:
    assert SECRET not in repr(record)


def test_arrival_makes_a_thread_that_carries_its_key() -> None:
    thread = Arrival(KEY, MESSAGE, title="A title", user_id="U1", agent_name="helper").new_thread()
    assert (thread.title, thread.user_id, thread.agent_name, thread.platforms) == (
        "A title",
        "U1",
        "helper",
        KEY.platforms,
    )


def test_arrival_without_a_title_makes_an_untitled_thread() -> None:
    assert Arrival(KEY, MESSAGE).new_thread().title == "Untitled Thread"


def test_arrival_makes_a_thread_whose_place_says_more() -> None:
    thread = Arrival(KEY, MESSAGE, place={"channel_name": "general"}).new_thread()
    assert thread.platforms == {"slack": KEY.platforms["slack"] | {"channel_name": "general"}}


@pytest.mark.parametrize(
    ("source", "is_agents"), [(None, False), ({}, False), ({"type": "user"}, False), ({"type": "agent"}, True)]
)
def test_arrival_is_by_an_agent_where_its_source_says_so(source: dict[str, Any] | None, is_agents: bool) -> None:
    assert Arrival(KEY, Message(role="user", source=source)).is_by_agent == is_agents
