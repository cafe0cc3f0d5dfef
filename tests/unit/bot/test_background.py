"""What goes on beside the bot's work: periodic steps."""

import asyncio

import pytest

from backscroll.bot.background import every, in_background
from backscroll.errors import StorageUnavailableError


async def test_step_that_storage_does_not_let_be_done_is_put_off_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    taken = asyncio.Event()

    async def step() -> None:
        if caplog.text:
            taken.set()
        raise StorageUnavailableError("It is away.")

    async with asyncio.timeout(10), in_background(every(0.001, "Retention", step)):
        await taken.wait()
    assert "Retention is put off: It is away." in caplog.text
