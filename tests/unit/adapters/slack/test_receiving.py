from typing import Any

import pytest

from backscroll.adapters.slack.receiving import Receiver


class Shelf:
    """What was put aside, as a database keeps it: JSON alone."""

    def __init__(self) -> None:
        self.rejected: list[dict[str, Any]] = []

    async def reject(self, platform: str, reason: str, payload: dict[str, Any]) -> None:
        if "payload" in payload:
            raise ValueError("It is no JSON.")
        self.rejected.append(payload)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def receiver(shelf: Shelf) -> Receiver:
    return Receiver(shelf, None, None, None, None)  # type: ignore[arg-type]  # putting aside asks for the inbox alone


async def test_what_is_nested_too_deeply_to_be_written_is_put_aside_all_the_same(
    receiver: Receiver, shelf: Shelf
) -> None:
    body: list[Any] = []
    for _ in range(100_000):
        body = [body]
    await receiver.put_aside(body, "It is a list.")
    assert shelf.rejected == [{"text": "It is nested too deeply to be written down."}]
    while body:  # Python frees it level by level, or runs out of stack
        body = body.pop()


async def test_what_is_no_json_is_put_aside_as_its_text(receiver: Receiver, shelf: Shelf) -> None:
    await receiver.put_aside(b"{not json", "It is no JSON.")
    assert shelf.rejected == [{"text": "{not json"}]
