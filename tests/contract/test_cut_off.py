"""Claims for a provider of six primitives, which has no transactions: what was cut off anywhere, a repeat completes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from tests.contract.samples import KEY, asked, at, external, recorded, said, taken
from tests.contract.six import SixProvider


class CutOffError(Exception):
    """The process ended here."""


class CutOffProvider(SixProvider):
    """Ends at a write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left: int | None = None

    async def set(self, namespace: str, key: str, value: dict[str, Any]) -> None:
        self._count()
        await super().set(namespace, key, value)

    async def delete(self, namespace: str, key: str) -> None:
        self._count()
        await super().delete(namespace, key)

    def _count(self) -> None:
        if self.writes_left == 0:
            raise CutOffError
        if self.writes_left is not None:
            self.writes_left -= 1


async def record(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=said("first", id="m"), asks="yes")


async def send(provider: StorageProvider) -> None:
    (answer,) = await provider.list_answers()
    message = Message(role="assistant", id="answer", content="hi", created_at=at(0))
    await provider.begin_sending(answer.id, "one", message, ["hi", "there"])
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, external(f"a{number}"))
    await provider.finish_answer(answer.id, "one", "sent")


async def delete(provider: StorageProvider) -> None:
    for thread in await provider.list_threads():
        await provider.delete_thread(thread.id)


async def dump(provider: StorageProvider) -> Any:
    threads = await provider.list_threads()
    external_ids = [await provider.find_external(external(number)) for number in (1, "a1", "a2")]
    return (
        [[(message.sequence, message.text, message.reactions) for message in thread.messages] for thread in threads],
        [(answer.state, answer.answer_message_id) for answer in await provider.list_answers()],
        [found and found[1].text for found in external_ids],
        await provider.get_by_alias(KEY.alias) is not None,
    )


async def prepared(*, until: str) -> CutOffProvider:
    provider = CutOffProvider()
    if until == "record":
        await provider.record_reaction(external(1), "+1", "U1", added=True, event_at=at(1))
    elif until == "send":
        await asked(provider)
        await taken(provider)
        await provider.record_reaction(external("a2"), "+1", "U1", added=True, event_at=at(1))
    else:
        await record(provider)
        await taken(provider)
        await send(provider)
    return provider


@pytest.mark.parametrize("step", [record, send, delete], ids=lambda step: step.__name__)
async def test_repeat_completes_what_was_cut_off_at_any_write(
    step: Callable[[StorageProvider], Awaitable[None]],
) -> None:
    whole = await prepared(until=step.__name__)
    await step(whole)
    cuts = 0
    while True:
        provider = await prepared(until=step.__name__)
        provider.writes_left = cuts
        try:
            await step(provider)
        except CutOffError:
            provider.writes_left = None
            await step(provider)
            assert await dump(provider) == await dump(whole), f"cut off after {cuts} writes"
            cuts += 1
        else:
            break
    assert cuts > 2
