"""A handler may do anything: out comes a message, nothing, or a `HandlerError` without a text of anybody's."""

import asyncio
import contextvars
import gc
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from backscroll.bot import handling
from backscroll.bot.ending import HandlerError
from backscroll.bot.handling import run_handler
from backscroll.bot.turn import Turn
from backscroll.storage.models import Message, Thread
from backscroll.storage.store import ThreadStore

CANARY = "canary-4711"
colour = contextvars.ContextVar("colour", default="none")


@pytest.fixture
def turn() -> Turn:
    message = Message(role="user", content="hello")
    return Turn(Thread(messages=[message]), message, 1, ThreadStore())


class Callable:
    async def __call__(self, turn: Turn) -> str:
        return turn.message.text


class Texts:
    """An async iterator that is no generator."""

    def __init__(self) -> None:
        self.left = ["a", "b"]

    def __aiter__(self) -> "Texts":
        return self

    async def __anext__(self) -> str:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


async def coroutine(turn: Turn) -> str:
    return turn.message.text


def plain(turn: Turn) -> str:
    return turn.message.text


def returns_coroutine(turn: Turn) -> Any:
    return coroutine(turn)


async def generator(turn: Turn) -> AsyncIterator[str]:
    yield "hel"
    await asyncio.sleep(0)
    yield "lo"


def returns_generator(turn: Turn) -> AsyncIterator[str]:
    return generator(turn)


async def returns_generator_later(turn: Turn) -> AsyncIterator[str]:
    return generator(turn)


def with_two(prefix: str, turn: Turn) -> str:
    return prefix + turn.message.text


async def with_two_later(prefix: str, turn: Turn) -> str:
    return prefix + turn.message.text


@pytest.mark.parametrize(
    "handler",
    [
        coroutine,
        plain,
        returns_coroutine,
        generator,
        returns_generator,
        returns_generator_later,
        partial(with_two, ""),
        partial(with_two_later, ""),
        Callable(),
        lambda turn: turn.message.text,
    ],
)
async def test_run_takes_every_kind_of_function(turn: Turn, handler: handling.Handler) -> None:
    message = await run_handler(handler, turn, 5)
    assert message is not None
    assert (message.role, message.text) == ("assistant", "hello")


async def test_run_joins_the_texts_of_any_async_iterator(turn: Turn) -> None:
    message = await run_handler(lambda _: Texts(), turn, 5)
    assert message is not None
    assert message.text == "ab"


async def test_run_returns_what_a_message_says_under_an_id_of_its_own(turn: Turn) -> None:
    made = Message(role="assistant", content=[{"type": "text", "text": "hi"}], metrics={"model": "m"})
    answer = await run_handler(lambda _: made, turn, 5)
    assert answer is not None
    assert (answer.content, answer.metrics) == (made.content, made.metrics)
    assert answer.id != made.id


@pytest.mark.parametrize(
    "nothing", [None, "", " \n\t", Message(role="assistant"), Message(role="assistant", content=[])]
)
async def test_run_takes_a_blank_answer_for_none(turn: Turn, nothing: object) -> None:
    assert await run_handler(lambda _: nothing, turn, 5) is None


async def test_run_takes_an_empty_iterator_for_none(turn: Turn) -> None:
    async def empty(_turn: Turn) -> AsyncIterator[str]:
        for text in list[str]():
            yield text

    assert await run_handler(empty, turn, 5) is None


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (5, "an int"),
        (b"hello", "a bytes"),
        (["hello"], "a list"),
        (iter(["hello"]), "a list_iterator"),
        (Message(role="user", content="hello"), "a message of role user"),
    ],
)
async def test_run_refuses_another_type(turn: Turn, result: object, told: str) -> None:
    with pytest.raises(HandlerError, match=f"The handler returned {told}; expected a text"):
        await run_handler(lambda _: result, turn, 5)


async def test_run_refuses_an_iterator_of_other_things(turn: Turn) -> None:
    async def numbers(_turn: Turn) -> AsyncIterator[int]:
        yield 5

    with pytest.raises(HandlerError, match="returned an iterator of int"):
        await run_handler(numbers, turn, 5)


async def raises_later(error: BaseException, turn: Turn) -> None:
    await asyncio.sleep(0)
    raise error


def raises_at_once(error: BaseException, turn: Turn) -> None:
    raise error


async def yields_then_raises(error: BaseException, turn: Turn) -> AsyncIterator[str]:
    yield "a"
    raise error


@pytest.mark.parametrize("handler", [raises_later, raises_at_once, yields_then_raises])
@pytest.mark.parametrize(
    "error",
    [
        ValueError(CANARY),
        SystemExit(CANARY),
        KeyboardInterrupt(CANARY),
        TimeoutError(CANARY),
        asyncio.CancelledError(CANARY),
        BaseExceptionGroup(CANARY, [KeyboardInterrupt(CANARY)]),
        RuntimeError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_run_tells_of_an_exception_no_more_than_type_and_place(
    turn: Turn, handler: Any, error: BaseException
) -> None:
    with pytest.raises(HandlerError) as raised:
        await run_handler(partial(handler, error), turn, 5)
    assert f"The handler raised {type(error).__name__}" in raised.value.message
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(raised.value.__context__)
    assert CANARY not in told


async def test_run_tells_where_a_handler_raised(turn: Turn) -> None:
    with pytest.raises(HandlerError, match=r"raised ValueError at test_handling\.py:\d+\."):
        await run_handler(partial(raises_at_once, ValueError()), turn, 5)


async def hangs(turn: Turn) -> None:
    await asyncio.Event().wait()


async def test_run_stops_a_handler_that_takes_too_long(turn: Turn) -> None:
    with pytest.raises(HandlerError, match=r"took longer than 0\.05 s"):
        await run_handler(hangs, turn, 0.05)


async def test_run_leaves_a_thread_that_takes_too_long(turn: Turn) -> None:
    free = threading.Event()
    with pytest.raises(HandlerError, match="took longer"):
        await run_handler(lambda _: free.wait(30), turn, 0.05)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "backscroll-handler"]
    assert thread.daemon
    free.set()
    await asyncio.to_thread(thread.join)


async def test_run_leaves_a_handler_that_does_not_let_itself_be_cancelled(
    turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "STOP_S", 0.05)
    free = asyncio.Event()

    async def stubborn(_turn: Turn) -> str:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    with pytest.raises(HandlerError, match="took longer"):
        await run_handler(stubborn, turn, 0.05)
    free.set()


async def test_run_lets_a_cancelled_handler_clean_up(turn: Turn) -> None:
    cleaned = []

    async def careful(_turn: Turn) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    running = asyncio.ensure_future(run_handler(careful, turn, 5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned


async def test_run_gives_a_thread_the_callers_context(turn: Turn) -> None:
    colour.set("green")
    message = await run_handler(lambda _: colour.get(), turn, 5)
    assert message is not None
    assert message.text == "green"


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Let asyncio log each step of the loop with what it ended with."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


async def test_run_shows_no_text_to_asyncios_debug_mode(
    turn: Turn, everything_logged: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    for handler in (lambda _: CANARY, partial(raises_later, ValueError(CANARY)), partial(with_two_later, CANARY)):
        await asyncio.wait([asyncio.ensure_future(run_handler(handler, turn, 5))])
    loop.set_debug(False)
    gc.collect()
    assert "Executing" in everything_logged.text
    assert CANARY not in everything_logged.text
