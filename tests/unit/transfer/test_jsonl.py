"""The lines of an export: written, read with a bound, and checked."""

import json
from io import BytesIO
from typing import Any

import pytest

from backscroll.storage.archive import Loose
from backscroll.transfer import jsonl
from backscroll.transfer.jsonl import (
    End,
    Header,
    Line,
    LineFaultError,
    LineReader,
    RawLine,
    format_of,
    parse,
    write_line,
    write_thread,
)
from tests.unit.transfer.samples import AT, CANARY, archived


def raw(told: Any) -> RawLine:
    return RawLine(1, told if isinstance(told, bytes) else json.dumps(told).encode(), is_ended=True)


def changed(**fields: Any) -> dict[str, Any]:
    return {"thread": archived("t").model_dump(mode="json") | fields}


def fault_of(told: Any) -> str:
    with pytest.raises(LineFaultError) as caught:
        parse(raw(told))
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        Line(backscroll=Header(version="1.2.3", exported_at=AT, is_whole=False)),
        Line(thread=archived("t")),
        Line(loose=Loose(kind="value", key='["a","b"]', value={"namespace": "a", "key": "b", "value": {"n": None}})),
        Line(end=End(threads=1, messages=2, loose=3)),
    ],
    ids=["header", "thread", "loose", "end"],
)
def test_line_comes_back_as_it_was_written(line: Line) -> None:
    assert parse(raw(write_line(line))) == line


def test_long_thread_goes_on_in_further_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "PIECE_BYTES", 2_000)
    pieces = [parse(raw(data)).thread for data in write_thread(archived("t", 9))]

    assert len(pieces) > 2
    assert [piece.is_continuation for piece in pieces if piece] == [False] + [True] * (len(pieces) - 1)
    assert [each.message.sequence for piece in pieces if piece for each in piece.messages] == [*range(1, 10)]


class Counting(BytesIO):
    """A file that knows how much was asked of it at once."""

    most = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        self.most = max(self.most, -1 if size is None else size)
        return super().readline(size)


def test_reader_passes_a_long_line_by_without_reading_it_whole() -> None:
    file = Counting(b'{"a": 1}\n' + b"x" * 5_000_000 + b'\n{"b": 2}\n')
    reader = LineReader(file, limit_bytes=1_000)
    lines = [*reader.read(), *reader.read()]

    assert [(line.number, line.data) for line in lines] == [(1, b'{"a": 1}\n'), (2, None), (3, b'{"b": 2}\n')]
    assert file.most <= 64 * 1024


def test_reader_reads_no_further_in_a_first_line_that_is_too_long() -> None:
    """It is no export, and may be a device that never ends."""
    reader = LineReader(BytesIO(b"x" * 5_000_000), limit_bytes=1_000)
    assert [line.data for line in reader.read()] == [None]
    assert reader.read_bytes == 1_001


def test_reader_knows_half_a_last_line() -> None:
    lines = LineReader(BytesIO(b"\xef\xbb\xbf{}\r\n\r\n{")).read()
    assert [(line.number, line.data, line.is_ended) for line in lines] == [(1, b"{}\r\n", True), (3, b"{", False)]


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (b"\xff\xfe{", "Invalid JSON"),
        (b'{"thread":' + b"[" * 100_000, "recursion limit"),
        ({}, 'not one of "backscroll", "thread", "loose" and "end"'),
        ({"thread": None}, 'not one of "backscroll"'),
        ({"thread": changed()["thread"], "end": {}}, 'not one of "backscroll"'),
        ({CANARY: 1}, "*: Extra inputs are not permitted"),
        (changed(title=5), "thread.title: Input should be a valid string"),
        (changed(id=""), "thread.id: id is a text of 1 to 500 characters"),
        (changed(platforms={CANARY: 5}), "thread.platforms.*: "),
        (changed(attributes={CANARY: float("inf")}), "thread.attributes: value.* is not a finite number"),
        (changed(**{CANARY: "x"}), "thread.*: Extra inputs"),
        (changed(created_at=CANARY), "thread.created_at: "),
        ({"loose": {"kind": CANARY, "key": "k", "value": {}}}, "loose.kind: "),
        ({"end": {"threads": -1}}, "end.threads: "),
    ],
)
def test_fault_names_the_field_and_quotes_nothing(told: Any, fault: str) -> None:
    assert fault in fault_of(told)
    assert CANARY not in fault_of(told)


@pytest.mark.parametrize("sequences", [[2, 1], [1, 1], [None, 1], [2**62, 2**62 + 1], [1, 5_000]])
def test_parse_refuses_messages_out_of_order(sequences: list[int | None]) -> None:
    told = changed()
    for each, sequence in zip(told["thread"]["messages"], sequences, strict=True):
        each["message"]["sequence"] = sequence
    assert "message.sequence: does not follow the one before" in fault_of(told)


def test_header_of_another_version_tells_its_version() -> None:
    told = raw({"backscroll": {"format": 2, "anything": "new"}})
    assert format_of(told) == 2
    assert format_of(raw({"thread": {}})) is None
    assert fault_of(json.loads(told.data or b"")).startswith("backscroll.format: ")
