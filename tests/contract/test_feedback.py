"""The claims of `backscroll.testing.provider_contract.feedback`, on every backend."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.feedback import *
from backscroll.testing.provider_contract.samples import at, external, recorded
from tests.contract.test_cut_off import CutOffError, CutOffProvider

ANSWER = Message(role="assistant", id="a", content="41", reactions={"+1": ["U1"]})


async def bring(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=ANSWER.model_copy(deep=True))


async def add(provider: StorageProvider) -> None:
    await provider.record_reaction(external(1), "-1", "U1", added=True, event_at=at(1))


async def remove(provider: StorageProvider) -> None:
    await provider.record_reaction(external(1), "+1", "U1", added=False, event_at=at(1))


async def clear(provider: StorageProvider) -> None:
    await provider.record_clearing(external(1), None, at(1))


async def delete(provider: StorageProvider) -> None:
    await provider.record_deletion(external(1), at(1))


Step = Callable[[StorageProvider], Coroutine[Any, Any, None]]
STEPS: dict[Step, list[str]] = {bring: ["up"], add: ["down", "up"], remove: [], clear: [], delete: []}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_repeat_completes_a_thumb_that_was_cut_off_at_any_write(step: Step) -> None:
    cuts = 0
    while True:
        provider = CutOffProvider()
        if step is not bring:
            await bring(provider)
        provider.writes_left = cuts
        try:
            await step(provider)
        except CutOffError:
            provider.writes_left = None
            await step(provider)
        else:
            break
        assert sorted(each.thumb or "" for each in await provider.get_feedback()) == STEPS[step], f"cut after {cuts}"
        cuts += 1
    assert cuts > 1
