"""Running a user's handler: whatever it does, out comes a message, nothing, or a `HandlerError`.

An exception's text may hold what people wrote, so of an exception only its type and place go on. Proved by
`tests/unit/bot/test_handling.py`.
"""

import asyncio
import contextlib
import contextvars
import inspect
import os
import sysconfig
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from backscroll.bot.ending import HandlerError
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, named
from backscroll.storage.models import Message

_SAID = ("content", "name", "source", "attributes", "attachments", "tool_calls", "metrics", "token_count")

Handler = Callable[[Turn], Any]

_PATHS = sysconfig.get_paths()
_NOT_THEIRS = (str(Path(__file__).parents[1]) + os.sep, _PATHS["stdlib"], _PATHS["purelib"])

STOP_S = 1.0
"""Seconds that a cancelled handler has to clean up."""


Show = Callable[[str], None]
"""Takes the whole text so far."""


def own_copy(message: Message, **given: Any) -> Message:
    """Return a message that says what a handler's says, as an assistant's own: the handler may have more uses for it.

    Where and when it stands is given by posting it.
    """
    said = {name: getattr(message, name) for name in _SAID}
    return Message(role="assistant", **said, **given)


async def run_handler(handler: Handler, turn: Turn, timeout_s: float, show: Show | None = None) -> Message | None:
    """Run a handler and return its answer, None when there is none; a blank text without files is none.

    A plain function runs in a thread, which is left to itself when the time is over; so is a handler that does not let
    itself be cancelled. An async iterator's texts are joined, and shown as they come.

    Raises: HandlerError: it raised, took longer than `timeout_s`, or returned something else than a text, a `Message`,
        an async iterator of texts, or None.
    """
    task = asyncio.ensure_future(_make_message(handler, turn, show))
    try:
        await asyncio.wait([task], timeout=timeout_s)
        if not task.done():
            raise HandlerError(f"The handler took longer than {timeout_s:g} s.")
        if task.cancelled():
            raise HandlerError("The handler raised CancelledError.")
        return task.result()
    finally:
        if not task.done():
            await _stop(task)


async def _make_message(handler: Handler, turn: Turn, show: Show | None) -> Message | None:
    # No text and no other exception leaves this task: asyncio's debug mode logs what a task ended with.
    try:
        result = await _call(handler, turn, show)
    except (HandlerError, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a handler may raise anything; SystemExit ends its answer, never the bot
        fact = f"The handler raised {named(error, outside=_NOT_THEIRS)}."
        if isinstance(error, AdapterError):  # the platform's own word; storage's may name an id that is somebody's text
            fact = f"{fact[:-1]}: {error.message}"
    else:
        return _message_of(result)
    raise HandlerError(fact)


def _message_of(result: Any) -> Message | None:
    if result is None or (isinstance(result, str) and not result.strip()):
        return None
    if isinstance(result, str):
        return Message(role="assistant", content=result)
    if isinstance(result, Message) and result.role == "assistant":
        return own_copy(result) if result.text.strip() or result.attachments else None
    if isinstance(result, Message):
        raise _wrong(f"a message of role {result.role}")
    name = type(result).__name__
    raise _wrong(f"{'an' if name[0] in 'aeiou' else 'a'} {name}")


async def _call(handler: Handler, turn: Turn, show: Show | None) -> Any:
    if _is_async(handler) or _is_async(type(handler).__call__):
        result = handler(turn)
    else:
        result = await _in_thread(handler, turn)
    if inspect.isawaitable(result):
        result = await result
    return await _join(result, show) if isinstance(result, AsyncIterator) else result


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function)


async def _in_thread(handler: Handler, turn: Turn) -> Any:
    """Run a plain function in a daemon thread: one that hangs keeps neither a pool's place nor the process's end."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    context = contextvars.copy_context()
    result: Any = None
    failure: BaseException | None = None

    def run() -> None:
        nonlocal result, failure
        try:
            result = context.run(handler, turn)
        except BaseException as error:  # noqa: BLE001  # it is raised where the thread is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="backscroll-handler", daemon=True).start()
    try:
        await done.wait()
    except asyncio.CancelledError:
        if inspect.iscoroutine(result):
            result.close()  # it would warn that nobody awaited it
        raise
    if failure is not None:
        raise failure
    return result


async def _stop(task: asyncio.Task[Message | None]) -> None:
    """Cancel a handler, and leave it to itself when it does not end."""
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody else collects it
    task.cancel()
    await asyncio.wait([task], timeout=STOP_S)


async def _join(texts: AsyncIterator[Any], show: Show | None) -> str:
    joined = ""
    async for text in texts:
        if not isinstance(text, str):
            raise _wrong(f"an iterator of {type(text).__name__}")
        joined += text
        if show is not None:
            show(joined)
    return joined


def _wrong(got: str) -> HandlerError:
    return HandlerError(
        f"The handler returned {got}; expected a text, an assistant's Message, an async iterator of texts, or None."
    )
