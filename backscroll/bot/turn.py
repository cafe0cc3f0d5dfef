"""What a handler is given: `Turn`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from backscroll.bot.approvals import Asking, Decision, check_question
from backscroll.bot.ending import HandlerError
from backscroll.errors import MessageNotFoundError
from backscroll.storage.blocks import usage_block
from backscroll.storage.files import FileStore
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import new_id

log = logging.getLogger(__name__)

PAGE_COUNT = 50

CONTEXTS = "contexts"
"""The namespace of what a platform says of where people are, by the thread's alias."""


Fetch = Callable[[Message, int], Awaitable[bytes | None]]
"""Gives the content of a message's attachment, by its position from 1; None when nobody has it."""


class Desk(Protocol):
    """What a turn can do on the platform while the handler works."""

    async def react(self, emoji: str) -> None: ...  # `Turn` says what these promise

    async def post(self, content: str | Message) -> Message: ...

    async def typing(self, text: str | None) -> None: ...

    def ask_approval(self, question: str, expires_in: timedelta) -> Coroutine[Any, Any, Decision]: ...

    async def keep(self, step: Callable[[], Awaitable[object]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to answer, and the thread that it stands in.

    `thread.messages` are the newest `bot.history_limit` messages in the platform's order, tombstones left out, and
    `message` is the last of them: what people wrote after it has turns of its own. `attempt` counts from 1. `store`
    reaches all that is kept. `context` is what the platform says of where the person is, such as the channel that they
    look at beside an assistant's thread on Slack.
    """

    thread: Thread
    message: Message
    attempt: int
    store: ThreadStore
    context: dict[str, Any] = field(default_factory=dict)
    desk: Desk | None = field(default=None, repr=False, compare=False)

    async def react(self, emoji: str) -> None:
        """Put an emoji on the message, named as the platform names it; harmless when repeated.

        Raises: AdapterError: the platform refuses.
        """
        if self.desk is not None:
            await self.desk.react(emoji)

    async def post(self, content: str | Message) -> Message:
        """Post a message before the answer, keep it, and return it as it is kept.

        The first post of an answer is posted once, and so is the second: a handler that is tried again skips those that
        went out, whatever it would say now.

        Raises: AdapterError: the platform refuses.
        """
        if self.desk is None:
            return content if isinstance(content, Message) else Message(role="assistant", content=content)
        return await self.desk.post(content)

    async def typing(self, text: str | None = None) -> None:
        """Show that the bot is at work, with a text where the platform has room for one."""
        if self.desk is not None:
            await self.desk.typing(text)

    def ask_approval(self, question: str, *, expires_in: timedelta = timedelta(days=7)) -> Asking:
        """Ask people a question that is answered with yes or no, and return what they decided.

        While nobody has, the handler ends here, and runs again from its beginning when somebody does, or when the time
        is over: what it did before is done again, but for its posts. The first question of an answer is asked once, and
        so is the second: keep them in order. Ask before the first text of an answer that grows.

        Args: question: at most 1,000 characters.
        Returns: the decision, when it is awaited.
        Raises: AdapterError: the platform refuses. ValueError: no such question or time. RuntimeError: no bot has made
            this turn. HandlerError: the handler is plain, and could not wait.
        """
        check_question(question, expires_in)
        if self.desk is None:
            raise RuntimeError("turn.ask_approval needs a running bot; this turn was made without one.")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise HandlerError("A plain handler cannot ask for an approval: make it async def, and await it.") from None
        return Asking(self.desk.ask_approval(question, expires_in))

    async def add_tool_call(
        self,
        tool_call_id: str | None = None,
        *,
        name: str,
        input: dict[str, Any],  # noqa: A002  # what agents call it
        output: Any,
        is_error: bool = False,
    ) -> str:
        """Keep a call of a tool as a block of the message that is answered, and return the call's id.

        It is kept when this returns, and stays when the handler fails and is tried again. A call that the message has
        already stays as it is. Of a message that was deleted meanwhile nothing is kept.

        Args: tool_call_id: None makes one. input: a JSON object. output: any JSON.
        Raises: ValueError: JSON cannot hold it.
        """
        call_id = new_id() if tool_call_id is None else tool_call_id
        call = {"tool_call_id": call_id, "tool_name": name, "tool_input": input, "tool_output": output}
        with _naming(tool_name="name", tool_input="input", tool_output="output"):
            await self._keep(partial(self.store.append_tool_block, self.message.id, **call, is_error=is_error))
        return call_id

    async def add_usage(
        self,
        model: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_creation_input_tokens: int = 0,
        cache_read_input_tokens: int = 0,
        peak_single_call_input_tokens: int = 0,
        cost_usd: float | None = None,
        version: str | None = None,
    ) -> None:
        """Keep what a model used as a block of the message that is answered; `get_usage_stats` counts it.

        It is kept when this returns, and stays when the handler fails and is tried again: it was paid for. Of a message
        that was deleted meanwhile nothing is kept.

        Raises: ValueError: a count is no whole number from 0 up, or the cost no number from 0 to 1e15.
        """
        with _naming(estimated_cost_usd="cost_usd"):
            block = usage_block(
                model=model,
                version=version,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cache_creation_input_tokens=cache_creation_input_tokens,
                cache_read_input_tokens=cache_read_input_tokens,
                peak_single_call_input_tokens=peak_single_call_input_tokens,
                estimated_cost_usd=cost_usd,
            )

        async def append() -> None:
            await self.store.initialize()
            # By the block's id it counts once, also when nobody knows whether it was kept.
            await self.store.provider.append_block(self.message.id, block)

        await self._keep(append)

    async def _keep(self, keep: Callable[[], Awaitable[object]]) -> None:
        try:
            await (keep() if self.desk is None else self.desk.keep(keep))
        except MessageNotFoundError as error:
            log.info("%s", error.message)


@contextmanager
def _naming(**names: str) -> Iterator[None]:
    """Let a `ValueError` begin with the name that an argument has here, in place of the store's."""
    try:
        yield
    except ValueError as error:
        for stored, here in names.items():
            if str(error).startswith(stored):
                raise ValueError(here + str(error).removeprefix(stored)) from None
        raise


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What turns of one process are made in."""

    provider: StorageProvider
    history_limit: int
    files: FileStore | None = None
    fetch: Fetch | None = None


async def make_turn(
    around: Surroundings, thread_id: str, message_id: str, attempt: int, alias: str = ""
) -> Turn | None:
    """Read what a handler needs to answer a message; None when the thread is gone or the message a tombstone.

    Args: alias: under which the platform's context of the thread is kept.
    """
    provider, limit = around.provider, around.history_limit
    thread = await provider.get_thread(thread_id, limit=limit)
    question = None if thread is None else await _find(provider, thread, message_id)
    if thread is None or question is None or question.deleted_at is not None:
        return None
    kept = await _until_question(provider, thread, question, limit)
    context = [message for message in _in_order(kept) if message.deleted_at is None and message.id != message_id]
    thread.messages = [*context[-(limit - 1) :], question] if limit > 1 else [question]
    if around.fetch is not None:
        for message in thread.messages:
            for position, attachment in enumerate(message.attachments, 1):
                attachment.bind(partial(around.fetch, message, position))
    store = ThreadStore(provider=provider, files=around.files, closes_provider=False)
    place = await provider.get(CONTEXTS, alias) if alias else None
    return Turn(thread, question, attempt, store, place or {})


async def _find(provider: StorageProvider, thread: Thread, message_id: str) -> Message | None:
    """Return a message that mostly stands among those of its thread that are read already."""
    for message in reversed(thread.messages):
        if message.id == message_id:
            return message
    found = await provider.get_message(message_id)
    return None if found is None else found[1]


async def _until_question(provider: StorageProvider, thread: Thread, question: Message, limit: int) -> list[Message]:
    """Return the newest messages but later questions; as many as `limit`, where there are so many.

    What was read from the platform's history is kept behind what it stands before, so it is read to its beginning.
    """
    page, kept = thread.messages, list[Message]()
    while page:
        kept = [message for message in page if _stands_before(message, question)] + kept
        if sum(not _is_late(message) for message in kept) >= limit:
            break  # what was kept before these is older than they, late or not
        if page[0].sequence == 1:
            break
        # Later questions took the place of earlier messages.
        page = await provider.read_messages(thread.id, limit=max(limit, PAGE_COUNT), before=page[0].sequence)
    return kept


def _stands_before(message: Message, question: Message) -> bool:
    if _is_late(message):
        return message.created_at <= question.created_at
    return (message.sequence or 0) <= (question.sequence or 0) or message.role != "user"


def _is_late(message: Message) -> bool:
    return message.attributes.get("backfilled") is True


def _in_order(messages: list[Message]) -> list[Message]:
    """Put what was read from the platform's history where the platform has it: its own instants say where."""
    late = sorted((message for message in messages if _is_late(message)), key=lambda message: message.created_at)
    ordered: list[Message] = []
    for message in messages:
        if _is_late(message):
            continue
        while late and message.role == "user" and late[0].created_at < message.created_at:
            ordered.append(late.pop(0))
        ordered.append(message)
    return ordered + late
