"""The terminal as a chat platform: lines in, answers out, and commands that show what is kept.

In a pipe only answers go to stdout. It cannot look whether an answer was printed: when the process is killed between
the printing and its mark, the answer is printed once more. Proved by `tests/scenario/test_console.py`.
"""

import asyncio
import codecs
import concurrent.futures
import contextlib
import os
import select
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self, TextIO, TypeVar

from backscroll.adapters.base import Adapter, Inbox, Question, Verdict
from backscroll.adapters.events import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded
from backscroll.adapters.printable import printable
from backscroll.errors import AdapterError, AdapterUnavailableError, StorageUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, Role, Thread, short_title
from backscroll.storage.records import Approval, Part
from backscroll.storage.values import ID_LENGTH, new_id

T = TypeVar("T")

KEY = ThreadKey("console", "local", "terminal", "terminal")
USER = "you"
BOT = "bot"
RECENT_COUNT = 10
RETRY_S = 1.0
CHUNK_BYTES = 65_536

HELP = """\
/new            begin a new thread
/threads        list the newest threads
/open ID        go on with a thread
/history        show this thread
/react EMOJI    react to the last answer
/edit TEXT      change your last message
/delete         delete your last message
yes, no         decide what the bot asked last (yes/no); y and n too
//TEXT          say something that begins with /
Ctrl-D ends."""

DECISIONS = {"yes": True, "y": True, "no": False, "n": False}
TOLD: dict[Verdict, str] = {
    "decided_before": "That was decided before.",
    "expired": "It is too late: the question has expired.",
    "not_allowed": "You may not decide this.",
    "unknown": "Nobody waits for this any more.",
}


class ConsoleAdapter(Adapter):
    """Talks on stdin and stdout. A line is one message; every message is a direct one."""

    platform = KEY.platform

    def __init__(self) -> None:
        # Either is None when the program was started with it closed.
        self._is_terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
        self._printed: ExternalId | None = None
        self._input_ended = asyncio.Event()
        self._is_end_told = False
        self._commands: dict[str, Callable[[Inbox, str], Awaitable[None]]] = {
            "/new": self._new,
            "/threads": self._threads,
            "/open": self._open,
            "/history": self._history,
            "/react": self._react,
            "/edit": self._edit,
            "/delete": self._delete,
            "/help": self._help,
        }

    async def __aenter__(self) -> Self:
        """Look whether there is somewhere to print.

        Raises: AdapterError: stdout is closed.
        """
        if sys.stdout is None:
            raise AdapterError("The console's stdout is closed.", "Leave it open, or send it to a file.")
        return self

    async def serve(self, inbox: Inbox) -> None:
        """Keep each line, or carry out its command, until stdin ends."""
        try:
            await self._read(inbox)
        except asyncio.CancelledError:
            if self._is_terminal:
                self._note("\nStopping. What is typed now is not kept.")
            raise

    async def _read(self, inbox: Inbox) -> None:
        thread = await self._until_kept(lambda: inbox.thread_at(KEY))
        if thread is None:
            self._note("A new thread begins. /help lists the commands.")
        else:
            self._note(f"{self._name(thread)} goes on: {_count(thread)}. /history shows it, /new begins another.")
        self._prompt()
        await self._show_open(inbox)
        async for line in _lines(self._input_ended):
            if line.strip():
                await self._take(inbox, line)
            self._prompt()
        if self._is_terminal:
            self._write("")

    def split(self, text: str) -> list[str]:
        """Return the text whole: a terminal has no limit."""
        return [text]

    async def post(self, question: Question, part: Part) -> ExternalId:
        """Print one part; its token is its id.

        Raises: BrokenPipeError: nobody reads stdout any more. AdapterUnavailableError: stdout cannot be written.
        """
        try:
            if self._is_terminal:
                _put(sys.stdout, "\r")
            self._write(_asking(part.text) if part.kind == "approval" else part.text)
            self._prompt()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise AdapterUnavailableError(f"stdout cannot be written: {error.strerror}.") from None
        self._printed = question.key.message(part.token)
        return self._printed

    async def upload(self, question: Question, part: Part, attachment: Attachment, content: bytes) -> ExternalId:
        """Print the name and size of a file, which a terminal has no room for."""
        return await self.post(question, replace(part, text=f"[{attachment.name}, {len(content):,} bytes]"))

    async def react(self, key: ThreadKey, external: ExternalId, emoji: str) -> str:
        """Tell of an emoji on a message."""
        self._note(f"The bot reacts: {emoji}")
        return BOT

    async def _take(self, inbox: Inbox, line: str) -> None:
        word, _, rest = line.partition(" ")
        if line.startswith("/") and not line.startswith("//"):
            command = self._commands.get(word.strip())
            if command is None:
                self._note("That is no command. /help lists them; //… says a line that begins with /.")
            else:
                await self._until_kept(lambda: command(inbox, rest.strip()))
            return
        approved = DECISIONS.get(line.strip().casefold())
        if approved is not None and await self._decide(inbox, approved):
            return
        said = MessagePosted(
            key=KEY,
            external=KEY.message(new_id()),
            author_id=USER,
            text=line.removeprefix("/") if line.startswith("//") else line,
            created_at=datetime.now(UTC),
            is_direct=True,
        )
        await self._until_kept(lambda: inbox.record(said))

    async def _show_open(self, inbox: Inbox) -> None:
        """Ask again what the thread waits for, where it was asked before, and not too long ago."""
        approval = await self._until_kept(lambda: inbox.open_approval(KEY))
        if approval is not None and approval.expires_at > datetime.now(UTC):
            self._write(_asking(await self._question(inbox, approval)))

    async def _decide(self, inbox: Inbox, approved: bool) -> bool:
        """Decide what was asked last; False when the thread waits for nothing. What comes by a pipe comes early."""
        approval = await self._until_kept(lambda: inbox.open_approval(KEY, wait=not self._is_terminal))
        if approval is None:
            return False
        question = await self._question(inbox, approval)
        # Of this one alone, however often: when it is decided and that is not known, another is the last one asked.
        verdict = await self._until_kept(lambda: inbox.decide(approval.id, USER, approved=approved))
        if verdict in TOLD:
            self._note(TOLD[verdict])
        elif self._is_terminal:  # as in _name
            self._note(f'"{question}": {"approved" if approved else "rejected"}')
            await self._show_open(inbox)
        return True

    async def _question(self, inbox: Inbox, approval: Approval) -> str:
        thread = await self._until_kept(lambda: inbox.thread_at(KEY))
        return next((message.text for message in thread.messages if message.id == approval.id), "") if thread else ""

    async def _until_kept(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do a step again and again while the storage does not answer; nothing typed is lost meanwhile."""
        told = False
        while True:
            try:
                return await step()
            except StorageUnavailableError as error:
                if not told:
                    self._note(f"{error} Your line waits.")
                    told = True
                await self._wait()

    async def _wait(self) -> None:
        """Wait before the storage is asked again; when the input ends meanwhile, say at once why the bot does not."""
        if self._is_end_told:
            await asyncio.sleep(RETRY_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self._input_ended.wait()
                self._is_end_told = True
                self._note(
                    "The input has ended. The bot ends when the storage has what was typed; "
                    "Ctrl-C ends it now, without that."
                )

    async def _new(self, inbox: Inbox, _rest: str) -> None:
        await inbox.start_thread(KEY)
        self._printed = None
        self._note("A new thread begins.")

    async def _threads(self, inbox: Inbox, _rest: str) -> None:
        threads = await inbox.recent_threads(RECENT_COUNT)
        for thread in threads:
            self._write(f"{thread.id}  {thread.updated_at:%Y-%m-%d %H:%M}  {thread.title}")
        if not threads:
            self._note("No thread is kept yet.")

    async def _open(self, inbox: Inbox, thread_id: str) -> None:
        thread = await inbox.open_thread(KEY, thread_id) if 0 < len(thread_id) <= ID_LENGTH else None
        if thread is None:
            self._note("There is no such thread. /threads lists them: /open ID.")
        else:
            self._printed = None
            self._note(f"{self._name(thread)} goes on: {_count(thread)}.")

    async def _history(self, inbox: Inbox, _rest: str) -> None:
        thread = await inbox.thread_at(KEY)
        for message in thread.messages if thread else ():
            self._write(_told(message))
        if thread is None:
            self._note("Nothing was said yet.")

    async def _react(self, inbox: Inbox, emoji: str) -> None:
        # What was just printed may not be marked yet; a reaction waits for its message.
        last = None if self._printed else await _last(inbox, "assistant")
        answer = last[1] if last else self._printed
        if answer is None or not 0 < len(emoji) <= ID_LENGTH:
            self._note("There is no answer yet." if answer is None else "Say which: /react 👍")
            return
        await inbox.record(ReactionAdded(answer, emoji, USER, datetime.now(UTC)))
        self._note("It is on the last answer.")

    async def _edit(self, inbox: Inbox, text: str) -> None:
        mine = await _last(inbox, "user")
        if mine is None or not text:
            self._note("You said nothing yet." if mine is None else "Say what it should be: /edit TEXT")
            return
        await inbox.record(MessageEdited(KEY, mine[1], text, datetime.now(UTC)))
        self._note("Your last message is changed.")

    async def _delete(self, inbox: Inbox, _rest: str) -> None:
        mine = await _last(inbox, "user")
        if mine is None:
            self._note("You said nothing yet.")
            return
        message, external = mine
        await inbox.record(MessageDeleted(external, datetime.now(UTC)))
        self._note(
            f"Deleted: “{short_title(message.text) or ''}”" if self._is_terminal else "Your last message is deleted."
        )

    async def _help(self, _inbox: Inbox, _rest: str) -> None:
        self._note(HELP)

    def _name(self, thread: Thread) -> str:
        # In a pipe, notes may end in a log; what people wrote must not.
        return f"“{thread.title}”" if self._is_terminal else "The thread"

    def _write(self, text: str) -> None:
        _put(sys.stdout, f"{printable(text)}\n")

    def _note(self, text: str) -> None:
        # In a pipe stdout carries what was said, and nothing else.
        _put(sys.stdout if self._is_terminal else sys.stderr, f"{printable(text)}\n")

    def _prompt(self) -> None:
        if self._is_terminal:
            _put(sys.stdout, "› ")


def _put(stream: TextIO | None, text: str) -> None:
    """Write past Python's buffer, which would keep what could not be written and write it again; None takes nothing."""
    if stream is None:
        return
    data = text.encode(stream.encoding, "replace")
    while data:
        select.select([], [stream], [])  # whoever shares it may have made it one that does not wait
        data = data[os.write(stream.fileno(), data[:CHUNK_BYTES]) :]


def _asking(question: str) -> str:
    return f"{question} (yes/no)"


async def _last(inbox: Inbox, role: Role) -> tuple[Message, ExternalId] | None:
    thread = await inbox.thread_at(KEY)
    for message in reversed(thread.messages if thread else ()):
        external = ExternalId.of_message(message.platforms, {})
        if message.role == role and message.deleted_at is None and external is not None:
            return message, external
    return None


def _told(message: Message) -> str:
    who = "you" if message.role == "user" else "bot"
    said = "(deleted)" if message.deleted_at else message.text + (" (edited)" if message.edited_at else "")
    reactions = "".join(f"  {emoji} {len(users)}" for emoji, users in message.reactions.items())
    return f"{message.sequence:>4}  {message.created_at:%Y-%m-%d %H:%M}  {who}: {said}{reactions}"


def _count(thread: Thread) -> str:
    count = len(thread.messages)
    return f"{count} message{'' if count == 1 else 's'}"


async def _hand_over(queue: asyncio.Queue[bytes], chunk: bytes, ended: asyncio.Event) -> None:
    if not chunk:
        ended.set()
    await queue.put(chunk)


async def _lines(ended: asyncio.Event) -> AsyncIterator[str]:
    """Yield stdin's lines, and set the event as soon as it ends, also while the last of them are still to be taken.

    A thread reads the file descriptor itself: it is left behind, blocked, when the program ends before stdin does, and
    must then hold no lock of Python's own stdin.
    """
    if sys.stdin is None:
        return
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)

    def read() -> None:
        while True:
            try:
                select.select([sys.stdin], [], [])  # as in _put
                chunk = os.read(sys.stdin.fileno(), CHUNK_BYTES)
            except OSError:
                chunk = b""
            putting = _hand_over(queue, chunk, ended)
            try:
                asyncio.run_coroutine_threadsafe(putting, loop).result()
            except (RuntimeError, concurrent.futures.CancelledError):
                putting.close()  # the loop has ended
                return
            if not chunk:
                return

    threading.Thread(target=read, name="backscroll-stdin", daemon=True).start()
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    rest = ""
    while chunk := await queue.get():
        *lines, rest = (rest + decode(chunk)).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
    rest += decode(b"", final=True)
    if rest:
        yield rest
