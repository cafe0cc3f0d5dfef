"""What an archive is made of: checked when it is read from a file, alike for faithful copies, silent in a repr."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from backscroll.storage.archive import (
    END,
    LOOSE_KINDS,
    ArchivedAnswer,
    ArchivedBlock,
    ArchivedMessage,
    ArchivedPart,
    ArchivedReaction,
    ArchivedThread,
    Loose,
    next_sequence,
)
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.records import AnswerState

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
SECRET = "a person's words"
HASHES = [letter * 64 for letter in "abc"]


def threaded(*messages: ArchivedMessage, **fields: Any) -> ArchivedThread:
    return ArchivedThread(id="t", title=SECRET, created_at=AT, messages=list(messages), **({"updated_at": AT} | fields))


def said(number: int = 1, **fields: Any) -> ArchivedMessage:
    message = Message(id=f"m{number}", role="user", content=SECRET, sequence=number, created_at=AT, updated_at=AT)
    return ArchivedMessage(**{"message": message} | fields)


def answering(state: AnswerState, updated_at: datetime = AT) -> ArchivedAnswer:
    return ArchivedAnswer(
        id="a",
        position=1,
        key=("slack", "T1", "C1", "1.0"),
        state=state,
        ready_at=updated_at,
        created_at=AT,
        updated_at=updated_at,
    )


def reacted(emoji: str, event_at: datetime | None, created_at: datetime, *, removed: bool = False) -> ArchivedReaction:
    removed_at = event_at if removed else None
    return ArchivedReaction(emoji=emoji, user_id="U1", event_at=event_at, created_at=created_at, removed_at=removed_at)


def test_thread_reads_back_from_its_json() -> None:
    thread = threaded(said(answer=answering("waiting"), parts=[ArchivedPart(number=1, state="waiting")]))

    assert ArchivedThread.model_validate_json(thread.model_dump_json()) == thread


def test_mark_is_behind_the_last_message() -> None:
    assert (threaded(said(1), said(7)).mark.sequence, threaded().mark.sequence) == (7, END)


def test_next_sequence_is_the_archives_where_that_is_near() -> None:
    wanted = [None, 0, 5, 6, 9, 10_005, 10_006, 2**63 - 1]

    assert [next_sequence(5, each) for each in wanted] == [6, 6, 6, 6, 9, 10_005, 6, 6]


def test_files_are_those_in_the_file_store() -> None:
    kept = Attachment(name="kept", sha256=HASHES[1], location=file_location(HASHES[1]))
    elsewhere = Attachment(name="elsewhere", sha256=HASHES[2], location="https://files.example.com/x")
    message = Message(id="m", role="user", sequence=1, attachments=[kept, elsewhere, kept])
    block = ArchivedBlock(id="b", position=1, block_type="tool_use", content={}, sha256=HASHES[0], created_at=AT)

    assert threaded(ArchivedMessage(message=message, blocks=[block])).files == HASHES[:2]


def test_digest_tells_what_was_said_and_not_when_storage_wrote_it() -> None:
    first = said(
        answer=answering("running"),
        reactions=[reacted("eyes", LATER, AT, removed=True), reacted("+1", None, AT)],
        parts=[ArchivedPart(number=1, state="sent", text=None)],
    )
    written_later = said(
        message=first.message.model_copy(update={"updated_at": LATER}),
        answer=answering("waiting", LATER),
        reactions=[reacted("+1", None, LATER), reacted("eyes", LATER, LATER, removed=True)],
        parts=[ArchivedPart(number=1, state="sent", text="", kind="text")],
    )
    digest = threaded(first, attributes={"a": 1, "b": 2}).digest()

    same = threaded(written_later, attributes={"b": 2, "a": 1}, updated_at=LATER, is_continuation=True)
    assert same.digest() == digest
    others = [
        threaded(first, attributes={"a": 1.0, "b": 2}),
        threaded(first.model_copy(update={"versions": []}), attributes={"a": 1, "b": 3}),
        threaded(said(answer=answering("sent")), attributes={"a": 1, "b": 2}),
    ]
    assert digest not in [other.digest() for other in others]


def test_thread_refuses_one_message_twice() -> None:
    with pytest.raises(ValidationError, match="messages"):
        threaded(said(1), said(1))


def test_repr_and_errors_show_no_texts() -> None:
    shown = [repr(threaded(said())), repr(Loose(kind="heartbeat", key="h", value={"last_ping_pong_time": 1}))]
    with pytest.raises(ValidationError) as caught:
        ArchivedThread.model_validate({"id": SECRET * 100, "title": 5, "content": SECRET})

    assert shown[0] == "ArchivedThread(id='t')"
    assert not any(SECRET in text for text in (*shown, str(caught.value)))


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": "x" * 501},
        {"unknown": 1},
        {"attributes": {"a": float("nan")}},
        {"forked_at": -1},
        {"aliases": [""]},
        {"created_at": "yesterday"},
    ],
    ids=str,
)
def test_thread_refuses_what_no_backend_could_hold(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ArchivedThread.model_validate(threaded().model_dump() | fields)


LOOSE: dict[str, tuple[str, dict[str, Any]]] = {
    "lost_thread": ("t", {"id": "t", "parent_id": None, "forked_at": 3}),
    "suspended_state": (
        "s",
        {
            "approval_id": "s",
            "thread_id": "t",
            "agent_name": "helper",
            "node_name": "node",
            "state": {"a": [1]},
            "created_at": "2026-01-02T03:04:05.000000+00:00",
            "expires_at": "2026-01-02T04:04:05.000000+00:00",
        },
    ),
    "checkpoint": (
        '["t","","1"]',
        {
            "thread_id": "t",
            "namespace": "",
            "checkpoint_id": "1",
            "parent_id": None,
            "checkpoint": {},
            "metadata": {},
            "run_id": None,
            "created_at": "2026-01-02T03:04:05.000000+00:00",
        },
    ),
    "checkpoint_write": (
        '["t","","1","task",-1]',
        {
            "thread_id": "t",
            "namespace": "",
            "checkpoint_id": "1",
            "task_id": "task",
            "position": -1,
            "task_path": "",
            "channel": "c",
            "value": {},
        },
    ),
    "heartbeat": ("helper", {"last_ping_pong_time": 1.5}),
    "early_event": (
        '["slack","T1","C1","1.0"]',
        {
            "changes": [
                {"kind": "edit", "content": "x", "at": "2026-01-02T03:04:05.000000+00:00"},
                {"kind": "clear", "emoji": None, "at": "2026-01-02T03:04:05.000000+00:00"},
            ],
            "since": "2026-01-02T03:04:05.000000+00:00",
        },
    ),
    "rejected_event": (
        "r",
        {
            "id": "r",
            "platform": "slack",
            "reason": "no channel",
            "payload": {},
            "created_at": "2026-01-02T03:04:05.000000+00:00",
        },
    ),
    "value": ('["contexts","k"]', {"namespace": "contexts", "key": "k", "value": {"a": 1}}),
    "item": ('["notes","k","000000000000"]', {"namespace": "notes", "key": "k", "item": {"id": "1"}}),
}


def test_loose_takes_each_kind_as_it_is() -> None:
    assert tuple(LOOSE) == LOOSE_KINDS
    for kind, (key, value) in LOOSE.items():
        thing = Loose.model_validate({"kind": kind, "key": key, "value": value})
        assert thing.value == value
        assert Loose.model_validate_json(thing.model_dump_json()) == thing


def test_loose_writes_instants_so_that_they_compare() -> None:
    key, value = LOOSE["rejected_event"]
    thing = Loose(kind="rejected_event", key=key, value=value | {"created_at": "2026-01-02T04:04:05+01:00"})

    assert thing.value == value


@pytest.mark.parametrize(
    ("kind", "key", "changed"),
    [
        ("checkpoint", '["t","","2"]', {}),
        ("early_event", "not JSON", {}),
        ("early_event", '["slack","T1","C1"]', {}),
        ("early_event", '["slack","T1","C1","1.0"]', {"changes": [{"kind": "shout", "at": "2026-01-02"}]}),
        ("heartbeat", "", {}),
        ("heartbeat", "helper", {"last_ping_pong_time": float("inf")}),
        ("item", '["notes","k"]', {}),
        ("item", '["notes","k","0"]', {"item": {"text": "no id"}}),
        ("value", '["contexts","k"]', {"value": {"a": float("nan")}}),
        ("value", '["contexts","k"]', {"more": 1}),
        ("suspended_state", "s", {"expires_at": "never"}),
    ],
)
def test_loose_refuses_what_is_not_of_its_kind(kind: str, key: str, changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Loose.model_validate({"kind": kind, "key": key, "value": LOOSE[kind][1] | changed})


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("external", ["slack", "T1", "C1", "x" * 500]),
        ("wanted", [2**31]),
        ("parts", [{"number": -1, "state": "sent"}]),
        ("blocks", [{"id": "b", "position": 2**31, "block_type": "text", "content": {}, "created_at": AT}]),
        ("feedback", [{"id": "f", "rating": 6, "created_at": AT}]),
        ("answer", answering("waiting").model_dump() | {"key": ["slack", "T1", "C1", "x" * 500]}),
        ("answer", answering("waiting").model_dump() | {"state": "lost"}),
        ("reactions", [{"emoji": "eyes", "user_id": "U1"}] * 2),
        ("wanted", [1]),
    ],
    ids=str,
)
def test_message_refuses_what_no_backend_could_hold(name: str, changed: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        ArchivedMessage.model_validate(said().model_dump() | {name: changed})
