"""Claims for a provider of six primitives, which has no transactions: what was cut off anywhere, a repeat completes."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import astuple
from typing import Any

import pytest

from backscroll.storage.keys import ChannelMove
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import KEY, arriving, asked, at, external, recorded, said, taken
from tests.contract.six import SixProvider

NEW_KEY = KEY.moved("C2")
PLAN = Attachment(name="plan.txt", location="https://files.example.com/plan.txt")
SHA256 = hashlib.sha256(b"a plan").hexdigest()


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


async def record_behind(provider: StorageProvider) -> None:
    before = [arriving(name, message=said(name, id=name, attachments=[PLAN]), fetches=True) for name in ("b1", "b2")]
    await provider.record_message(arriving(1, message=said("first", id="m"), asks="yes"), earlier=before)


async def send(provider: StorageProvider) -> None:
    (answer,) = await provider.list_answers()
    message = Message(role="assistant", id="answer", content="hi", created_at=at(0))
    await provider.begin_sending(answer.id, "one", message, ["hi", "there"])
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, external(f"a{number}"))
    await provider.finish_answer(answer.id, "one", "sent")


async def grow(provider: StorageProvider) -> None:
    (answer,) = await provider.list_answers()
    message = Message(role="assistant", id="answer", content="h", created_at=at(0))
    await provider.begin_sending(answer.id, "one", message, ["h"], is_growing=True)
    await provider.mark_sent(answer.id, "one", 1, external("a1"))
    await provider.grow_answer(answer.id, "one", "hi there you", ["hi", "there", "you"], is_whole=False)
    await provider.mark_sent(answer.id, "one", 2, external("a2"))
    await provider.grow_answer(answer.id, "one", "HI", ["HI"], is_whole=True)
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, external(f"a{number}"))


async def post(provider: StorageProvider) -> None:
    (answer,) = await provider.list_answers()
    message = Message(role="assistant", id="answer", content="hi", created_at=at(0))
    await provider.begin_post(answer.id, "one", message, ["hi", "there"])
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, external(f"a{number}"), message_id="answer")


async def approve(provider: StorageProvider) -> None:
    (answer,) = await provider.list_answers()
    if answer.state == "running":
        message = Message(role="assistant", id="answer", content="sure?", created_at=at(0))
        await provider.begin_approval(answer.id, "one", 1, message, ["so", "sure?"], 60)
        await provider.suspend_answer(answer.id, "one", "answer")
    await provider.decide_approval("answer", "approved", "U1")


async def echo(provider: StorageProvider) -> None:
    (answer,) = await provider.list_answers()
    for part in await provider.get_parts(answer.id):
        own = Message(role="assistant", content="hi")
        await recorded(provider, f"a{part.number}", message=own, is_echo=True, token=part.token)


async def fetch(provider: StorageProvider) -> None:
    kept = PLAN.model_copy(update={"sha256": SHA256, "location": file_location(SHA256)})
    await provider.settle_file("m", 1, kept)


async def move(provider: StorageProvider) -> None:
    await provider.move_channel(ChannelMove("slack", "T1", "C1", "C2"))


async def delete(provider: StorageProvider) -> None:
    for thread in await provider.list_threads():
        await provider.delete_thread(thread.id)


async def dump(provider: StorageProvider) -> Any:
    threads = await provider.list_threads()
    answers = await provider.list_answers()
    keys = [key.message(name) for key in (KEY, NEW_KEY) for name in ("1", "b1", "b2", "a1", "a2", "early")]
    external_ids = [await provider.find_external(key) for key in keys]
    return (
        [(thread.platforms, [described(message) for message in thread.messages]) for thread in threads],
        [(answer.state, answer.answer_message_id, answer.is_growing, answer.key) for answer in answers],
        [[astuple(part) for part in await provider.get_parts(answer.id)] for answer in answers],
        [found and found[1].text for found in external_ids],
        [await provider.get_by_alias(key.alias) is not None for key in (KEY, NEW_KEY)],
        await provider.list_wanted_files(["slack"]),
        await provider.is_file_needed(SHA256),
        [[value["key"] for value in await provider.query(name, {})] for name in ("parts", "early_events")],
        [(row["id"], row["outcome"], row["decided_by"]) for row in await provider.query("approvals", {})],
    )


def described(message: Message) -> tuple[Any, ...]:
    return message.sequence, message.text, message.reactions, message.platforms, message.attachments


async def prepared(*, until: str) -> CutOffProvider:
    provider = CutOffProvider()
    if until in ("record", "record_behind"):
        await provider.record_reaction(external(1), "+1", "U1", added=True, event_at=at(1))
        await provider.record_reaction(external("b1"), "+1", "U1", added=True, event_at=at(1))
    elif until in ("send", "grow", "post", "approve", "echo"):
        await asked(provider)
        mine = await taken(provider)
        await provider.record_reaction(external("a2"), "+1", "U1", added=True, event_at=at(1))
        if until == "echo":
            message = Message(role="assistant", id="answer", content="hi", created_at=at(0))
            await provider.begin_sending(mine.id, "one", message, ["hi", "there"])
    elif until == "fetch":
        await recorded(provider, 1, message=said("first", id="m", attachments=[PLAN]), fetches=True)
    else:
        named = said("first", id="m", platforms=external(1).platforms)
        await recorded(provider, 1, message=named, asks="yes")
        await taken(provider)
        await send(provider)
        await provider.record_reaction(external("early"), "+1", "U1", added=True, event_at=at(1))
    return provider


STEPS = [record, record_behind, send, grow, post, approve, echo, fetch, move, delete]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
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
