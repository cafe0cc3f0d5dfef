"""Whatever is done, every backend gives the same results and holds the same in the end; only the clock may differ."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Arrival
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import clean_text
from backscroll.testing.provider_contract.samples import START, at
from tests.contract.conftest import Opener

Operation = tuple[Any, ...]
PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
FRESH = itertools.count()
SETTINGS = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Co", "Cf", "Zl", "So", "Lo"]), max_size=20),
    st.sampled_from(["", "\x00", "a\ud83d", "\udc00\ud800", "שלום \u202e", "👩‍👩‍👧", "e\u0301", "\uffff"]),
)
NUMBERS = st.one_of(st.integers(), st.integers(-(10**400), 10**400), st.floats(allow_nan=False, allow_infinity=False))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
SHORT_TEXTS = st.one_of(st.sampled_from(["one", "two", "three"]), st.text(max_size=8))
CONTENTS = st.one_of(SHORT_TEXTS, st.lists(st.dictionaries(st.sampled_from(["type", "text"]), SHORT_TEXTS), max_size=2))
THREADS = st.integers(0, 1)
MESSAGES = st.integers(0, 3)
PLACES = st.integers(0, 3)
WHEN = st.integers(0, 4)
EMOJIS = st.sampled_from(["+1", "👍🏽", "eyes"])
USERS = st.sampled_from(["U1", "U2"])
ALIASES = st.integers(0, 1)
COPIES = st.integers(0, 1)
ASKS = st.sampled_from(["yes", "no", "if_joined"])
CHANGES = st.one_of(
    st.tuples(st.just("title"), SHORT_TEXTS),
    st.tuples(st.just("user_id"), st.one_of(st.none(), USERS)),
    st.tuples(st.just("attribute"), st.sampled_from("ab"), JSON),
    st.tuples(st.just("no attribute"), st.sampled_from("ab")),
    st.tuples(st.just("platform"), st.sampled_from("ab"), OBJECTS),
    st.tuples(st.just("content"), st.integers(0, 2), CONTENTS),
    st.tuples(st.just("react"), st.integers(0, 2), EMOJIS, USERS),
    st.tuples(st.just("unreact"), st.integers(0, 2), EMOJIS, USERS),
    st.tuples(st.just("message"), MESSAGES, st.one_of(st.none(), PLACES), CONTENTS),
    st.tuples(st.just("forget"), st.integers(0, 2)),
)
APPENDS = st.one_of(
    st.tuples(st.just("append"), THREADS, MESSAGES, st.one_of(st.none(), PLACES), CONTENTS),
    st.tuples(st.just("record"), THREADS, MESSAGES, PLACES, CONTENTS, ASKS),
)
OPERATIONS = st.one_of(
    APPENDS,
    APPENDS,
    st.tuples(st.just("burst"), st.lists(APPENDS, min_size=2, max_size=6)),
    st.tuples(st.just("record known"), THREADS, MESSAGES, PLACES, CONTENTS, ASKS),
    st.tuples(st.just("edit"), MESSAGES, CONTENTS, st.one_of(st.none(), WHEN)),
    st.tuples(st.just("delete"), MESSAGES, st.one_of(st.none(), WHEN)),
    st.tuples(st.just("react"), st.booleans(), THREADS, MESSAGES, EMOJIS, USERS),
    st.tuples(st.just("early edit"), PLACES, CONTENTS, WHEN, st.booleans()),
    st.tuples(st.just("early delete"), PLACES, WHEN),
    st.tuples(st.just("early react"), PLACES, EMOJIS, USERS, st.booleans(), WHEN),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("load"), COPIES, THREADS),
    st.tuples(st.just("change"), COPIES, st.lists(CHANGES, min_size=1, max_size=3)),
    st.tuples(st.just("save"), COPIES),
    st.tuples(st.just("alias"), THREADS, ALIASES),
    st.tuples(st.just("move"), THREADS, ALIASES),
    st.tuples(st.just("unalias"), ALIASES),
    st.tuples(st.just("drop thread"), THREADS),
    st.tuples(st.just("answer"), PLACES, SHORT_TEXTS, st.sampled_from(["sent", "failed", "skipped", "later"])),
    st.tuples(st.just("retry")),
    st.tuples(st.just("put thread"), THREADS, OBJECTS),
)


@dataclass
class Run:
    """One backend on its way through an example. Names carry the example's number, so one database serves them all."""

    provider: StorageProvider
    example: int
    copies: dict[int, Thread] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)

    @property
    def platform(self) -> str:
        return f"p{self.example}"

    def key(self, thread: int) -> ThreadKey:
        return ThreadKey(self.platform, "W", "C", str(thread))

    def place(self, number: int) -> ExternalId:
        return ExternalId(self.platform, "W", "C", str(number))

    def message(self, number: int, place: int | None, content: Any) -> Message:
        platforms = {} if place is None else self.place(place).platforms
        message_id = f"{self.example} m{number}"
        return Message(role="user", id=message_id, content=content, platforms=platforms, created_at=at(0))

    async def thread_id(self, thread: int) -> str:
        found = await self.provider.get_by_alias(self.key(thread).alias)
        return f"{self.example} unknown" if found is None else found.id

    async def do(self, operation: Operation) -> Any:
        """Do one operation, and return what it returned or raised."""
        name, *arguments = operation
        try:
            return await getattr(self, name.replace(" ", "_"))(*arguments)
        except Exception as error:  # noqa: BLE001  # also what nobody foresaw is to be the same everywhere
            return type(error).__name__, str(error)

    async def append(self, thread: int, message: int, place: int | None, content: Any) -> Any:
        appended = self.message(message, place, content)
        return await self.provider.append_message(self.ids.get(thread) or await self.thread_id(thread), appended)

    async def record(self, thread: int, message: int, place: int, content: Any, asks: Any) -> Any:
        arriving = self.message(message, place, content)
        return await self.provider.record_message(Arrival(self.key(thread), arriving, self.place(place), asks))

    async def record_known(self, thread: int, message: int, place: int, content: Any, asks: Any) -> Any:
        arriving = self.message(message, place, content)
        return await self.provider.record_message(Arrival(self.key(thread), arriving, self.place(place), asks, False))

    async def burst(self, operations: list[Operation]) -> Any:
        """Do operations at once; who comes first is first, so the outcome is that of one after the other."""
        self.ids = {thread: await self.thread_id(thread) for thread in range(2)}
        outcomes = await asyncio.gather(*[self.do(operation) for operation in operations])
        self.ids = {}
        return outcomes

    async def edit(self, message: int, content: Any, when: int | None) -> Any:
        content = Message(role="user", content=content).content
        edited_at = None if when is None else at(when)
        return await self.provider.edit_message(f"{self.example} m{message}", content, edited_at=edited_at)

    async def delete(self, message: int, when: int | None) -> Any:
        deleted_at = None if when is None else at(when)
        return await self.provider.delete_message(f"{self.example} m{message}", deleted_at=deleted_at)

    async def react(self, added: bool, thread: int, message: int, emoji: str, user_id: str) -> Any:
        call = self.provider.add_reaction if added else self.provider.remove_reaction
        return await call(await self.thread_id(thread), f"{self.example} m{message}", emoji, user_id)

    async def early_edit(self, place: int, content: Any, when: int, only_in: bool) -> Any:
        content = Message(role="user", content=content).content
        alias = self.key(0).alias if only_in else None
        return await self.provider.record_edit(self.place(place), content, at(when), only_in=alias)

    async def early_delete(self, place: int, when: int) -> Any:
        return await self.provider.record_deletion(self.place(place), at(when))

    async def early_react(self, place: int, emoji: str, user_id: str, added: bool, when: int) -> Any:
        return await self.provider.record_reaction(self.place(place), emoji, user_id, added=added, event_at=at(when))

    async def sweep(self) -> Any:
        await self.provider.sweep_early_events(datetime.now(UTC) + timedelta(minutes=1))

    async def load(self, copy: int, thread: int) -> Any:
        found = await self.provider.get_thread(await self.thread_id(thread))
        if found is not None:
            self.copies[copy] = found
        return found

    async def change(self, copy: int, changes: list[Operation]) -> Any:
        thread = self.copies.get(copy)
        for name, *values in changes if thread is not None else ():
            self.apply(thread, name, *values)

    def apply(self, thread: Any, name: str, *values: Any) -> None:
        messages = thread.messages
        target = messages[values[0] % len(messages)] if messages and isinstance(values[0], int) else None
        if name in ("title", "user_id"):
            setattr(thread, name, values[0])
        elif name == "attribute":
            thread.attributes[values[0]] = values[1]
        elif name == "no attribute":
            thread.attributes.pop(values[0], None)
        elif name == "platform":
            thread.platforms[values[0]] = values[1]
        elif name == "message":
            thread.add_message(self.message(*values))
        elif target is not None and name == "content":
            target.content = values[1]
        elif target is not None and name == "forget":
            messages.remove(target)
        elif target is not None:
            call = thread.add_reaction if name == "react" else thread.remove_reaction
            call(target.id, *values[1:])

    async def save(self, copy: int) -> Any:
        if copy in self.copies:
            return await ThreadStore(provider=self.provider).save(self.copies[copy])
        return None

    async def put_thread(self, thread: int, attributes: dict[str, Any]) -> Any:
        """Save a thread that was never loaded over the one of a key."""
        thread_id = await self.thread_id(thread)
        fresh = Thread(id=thread_id, attributes=attributes, messages=[self.message(thread, thread, "put")])
        return await ThreadStore(provider=self.provider).save(fresh)

    async def alias(self, thread: int, alias: int) -> Any:
        return await self.provider.save_thread_alias(await self.thread_id(thread), f"{self.example} a{alias}")

    async def move(self, thread: int, alias: int) -> Any:
        """Let a thread live at another's key, too."""
        return await self.provider.move_alias(self.key(alias).alias, await self.thread_id(thread))

    async def unalias(self, alias: int) -> Any:
        return await self.provider.delete_thread_alias(f"{self.example} a{alias}")

    async def drop_thread(self, thread: int) -> Any:
        return await self.provider.delete_thread(await self.thread_id(thread))

    async def answer(self, place: int, text: str, end: Any) -> Any:
        taken = await self.provider.take_answer("one", [self.platform], 60)
        if taken is None:
            return None
        if end == "later":
            await self.provider.postpone_answer(taken.id, "one", 0, reason=text, counts=True)
            return taken
        message = Message(role="assistant", content=text, created_at=at(0))
        parts = await self.provider.begin_sending(taken.id, "one", message, [text, "more"])
        for part in parts:
            await self.provider.mark_sent(taken.id, "one", part.number, self.place(place + part.number - 1))
        await self.provider.finish_answer(taken.id, "one", end)
        return taken, parts, await self.provider.get_parts(taken.id)

    async def retry(self) -> Any:
        return [await self.provider.retry_answer(each.id) for each in await self.answers()]

    async def answers(self) -> Any:
        listed = await self.provider.list_answers(limit=None)
        return [answer for answer in listed if answer.key.platform == self.platform]

    async def dump(self) -> Any:
        """Return all that is kept of the example."""
        kept: dict[str, Any] = {"answers": await self.answers()}
        for number in range(4):
            kept[f"place {number}"] = await self.provider.find_external(self.place(number))
            kept[f"versions {number}"] = await self.provider.get_message_versions(f"{self.example} m{number}")
        aliases = [self.key(thread).alias for thread in range(2)] + [f"{self.example} a{alias}" for alias in range(2)]
        for alias in aliases:
            kept[alias] = found = await self.provider.get_by_alias(alias)
            if found is not None:
                kept[f"names of {alias}"] = await self.provider.get_thread_aliases(found.id)
                kept[f"found {alias}"] = [
                    found.id in [thread.id for thread in await self.provider.find_by_platform(name, place)]
                    for name, place in ((self.platform, {}), ("a", {}), *found.platforms.items())
                ] + [
                    found.id in [thread.id for thread in await self.provider.find_by_attributes({name: value})]
                    for name, value in found.attributes.items()
                ]
        return kept


class Plain:
    """Turns what a backend gave into what can be compared: made-up ids by their first appearance, no clock."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        match value:
            case BaseModel():
                return self(value.model_dump())
            case str():
                return PATTERN.sub(lambda found: self._names.setdefault(found[0], f"#{len(self._names)}"), value)
            case datetime():
                return value if (value - START) % timedelta(seconds=1) == timedelta(0) else "clock"
            case dict():
                return [(self(key), self(each)) for key, each in value.items()]
            case list() | tuple():
                return [self(each) for each in value]
            case _ if is_dataclass(value) and not isinstance(value, type):
                return self(asdict(value))
        return repr(value) if isinstance(value, (int, float)) else value


@dataclass
class Backends:
    """The backends side by side, and the loop that they live in."""

    runner: asyncio.Runner
    providers: dict[str, StorageProvider]

    def compare(self, steps: list[Callable[[Run], Awaitable[Any]]]) -> None:
        """Take the steps on every backend, and compare each outcome and all that is kept in the end."""
        self.runner.run(self._compare(steps))

    async def _compare(self, steps: list[Callable[[Run], Awaitable[Any]]]) -> None:
        example = next(FRESH)
        runs = {name: (Run(provider, example), Plain()) for name, provider in self.providers.items()}
        for step in [*steps, Run.dump]:
            outcomes = {name: plain(await step(run)) for name, (run, plain) in runs.items()}
            wanted = outcomes["memory"]
            assert outcomes == dict.fromkeys(outcomes, wanted)


@pytest.fixture
def backends(open_memory: Opener, open_sqlite_file: Opener, open_postgres: Opener) -> Iterator[Backends]:
    openers = {"memory": open_memory, "sqlite": open_sqlite_file, "postgres": open_postgres}
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_all() -> dict[str, StorageProvider]:
            return {name: await stack.enter_async_context(opener()) for name, opener in openers.items()}

        try:
            yield Backends(runner, runner.run(open_all()))
        finally:
            runner.run(stack.aclose())


@SETTINGS
@given(operations=st.lists(OPERATIONS, min_size=8, max_size=40))
def test_operations_come_to_the_same_everywhere(backends: Backends, operations: list[Operation]) -> None:
    backends.compare([lambda run, each=operation: run.do(each) for operation in operations])  # type: ignore[misc]


@SETTINGS
@example(first="x👍\x00" * 250_000, second="", attributes={"long": "\ud83d" * 1_000_000}, place={})
@given(first=TEXTS, second=TEXTS, attributes=OBJECTS, place=OBJECTS)
def test_texts_and_trees_come_back_the_same_everywhere(
    backends: Backends, first: str, second: str, attributes: dict[str, Any], place: dict[str, Any]
) -> None:
    async def keep(run: Run) -> Any:
        try:
            thread = Thread(title=second, attributes=attributes, platforms={"a": place})
        except ValueError as error:
            return str(error)
        block = {"type": "text", "text": second, "more": attributes}
        thread.messages = [Message(role="user", content=first, name=second), Message(role="tool", content=[block])]
        store = ThreadStore(provider=run.provider)
        await store.save(thread)
        kept = await store.get(thread.id)
        assert kept is not None
        assert kept.model_dump(exclude={"updated_at"}) == thread.model_dump(exclude={"updated_at"})
        assert kept.messages[0].content == clean_text(first)
        assert thread.id in [found.id for found in await store.find_by_attributes(attributes)]
        assert thread.id in [found.id for found in await store.find_by_platform("a", place)]
        return kept

    backends.compare([keep])
