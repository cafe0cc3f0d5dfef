"""P9: what people write, and passwords, stay in the database and on the platform.

A bot runs through all it can do with a canary in every text, name and password; then everything that it logged and that
our objects show of themselves is searched for the canaries.
"""

import asyncio
import gc
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from backscroll.adapters.base import Question
from backscroll.adapters.events import (
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.bot.config import load_config
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.bot.turn import Turn
from backscroll.errors import BackscrollError, ConfigError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.records import Answer, Arrival, MessageVersion, Part, Recorded, RejectedEvent
from backscroll.storage.store import ThreadStore
from tests.scenario.program import Home, Program

CANARY = "canary-4711"
KEY = ThreadKey("slack", "T1", "C1", "1.0")
NOW = datetime(2026, 1, 2, tzinfo=UTC)

HANDLER = f"""
from backscroll import Message

async def answer(turn):
    text = turn.message.text
    if "raises" in text:
        try:
            raise ValueError(text + " {CANARY} inner")
        except ValueError as error:
            raise LookupError(text + " {CANARY} outer") from error
    if "returns" in text:
        return [text]
    if "unknown thread" in text:
        await turn.store.add_message("nothing " + text, Message(role="assistant", content=text))
    return "{CANARY} answered " + text
"""
LOGGING_ALL = """
import asyncio, gc, logging, sys
import backscroll
from talking import answer

async def main():
    asyncio.get_running_loop().slow_callback_duration = 0
    await backscroll.run(answer)

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
asyncio.run(main(), debug=True)
gc.collect()
"""


def talk(program: Program) -> None:
    """Say and do everything that a person can, a canary each time."""
    program.say(f"{CANARY} said")
    program.wait_for(f"answered {CANARY} said\n")
    program.say(f"/react {CANARY}", f"/edit {CANARY} edited", "/history", f"/open {CANARY}", f"/{CANARY}")
    program.wait_for("(edited)\n")
    for kind in ("raises", "returns", "unknown thread"):
        program.say("/new", f"{CANARY} {kind}")
    program.wait_for("Sorry, I could not answer this.", times=3)
    program.say("/delete", "/threads")
    program.end_input()
    assert program.ended() == 0, program.err


@pytest.fixture
def talking(new_home: Home, new_url: str) -> Home:
    new_home.write("talking.py", HANDLER)
    new_home.configure(storage={"type": "sql", "url": new_url, "echo": True}, handler="talking:answer")
    return new_home


def secrets_of(url: str) -> list[str]:
    return [CANARY, urlsplit(url).password or CANARY]


@pytest.mark.timeout(180)
def test_verbose_bot_that_echoes_its_sql_logs_no_secret(talking: Home, new_url: str) -> None:
    with talking.start("run", "-v") as program:
        talk(program)
    logged = program.err
    assert "INSERT INTO messages" in logged
    assert "try 3 of 3" in logged
    for secret in secrets_of(new_url):
        assert secret not in logged


@pytest.mark.timeout(180)
def test_bot_whose_every_library_logs_everything_logs_no_secret(talking: Home, new_url: str) -> None:
    talking.write("bot.py", LOGGING_ALL)
    with Program([sys.executable, "bot.py"], talking.directory, talking.environment) as program:
        talk(program)
    logged = program.err
    assert "INSERT INTO messages" in logged
    assert "DEBUG:asyncio:" in logged
    assert "Executing" in logged  # asyncio's debug mode shows what it runs
    for secret in secrets_of(new_url):
        assert secret not in logged


# What our objects show of themselves

MESSAGE = Message(
    role="user",
    content=CANARY,
    name=CANARY,
    source={"id": CANARY, "name": CANARY},
    attributes={CANARY: CANARY},
    attachments=[Attachment(name=CANARY, location=CANARY)],
    reactions={CANARY: [CANARY]},
    tool_calls=[{CANARY: CANARY}],
    metrics={CANARY: CANARY},
)
BLOCKS = Message(role="assistant", content=[{"type": "text", "text": CANARY}])
THREAD = Thread(title=CANARY, user_id=CANARY, attributes={CANARY: CANARY}, messages=[MESSAGE, BLOCKS])
SHOWN: dict[str, Callable[[], object]] = {
    "MessagePosted": lambda: MessagePosted(KEY, KEY.message("1"), "U1", CANARY, NOW, CANARY),
    "MessageEdited": lambda: MessageEdited(KEY, KEY.message("1"), CANARY, NOW),
    "MessageDeleted": lambda: MessageDeleted(KEY.message("1"), NOW),
    "ReactionAdded": lambda: ReactionAdded(KEY.message("1"), CANARY, "U1", NOW),
    "ReactionRemoved": lambda: ReactionRemoved(KEY.message("1"), CANARY, "U1", NOW),
    "ReactionsCleared": lambda: ReactionsCleared(KEY.message("1"), CANARY, NOW),
    "ThreadChanged": lambda: ThreadChanged(KEY, CANARY, {"topic": CANARY}),
    "Question": lambda: Question(KEY, KEY.message("1"), "U1", CANARY),
    "Message": lambda: MESSAGE,
    "Message of blocks": lambda: BLOCKS,
    "Thread": lambda: THREAD,
    "Attachment": lambda: MESSAGE.attachments[0],
    "Arrival": lambda: Arrival(KEY, MESSAGE, KEY.message("1"), "yes", title=CANARY),
    "Recorded": lambda: Recorded("t1", MESSAGE, is_new=True, asked=True),
    "Part": lambda: Part("m1", 1, "m1.1", CANARY, "waiting"),
    "Answer": lambda: Answer("a1", "t1", "m1", 1, KEY, "failed", None, 2, 0, NOW, "raised", None, NOW, NOW),
    "MessageVersion": lambda: MessageVersion(CANARY, NOW),
    "RejectedEvent": lambda: RejectedEvent("r1", "slack", "no channel", {"text": CANARY}, NOW),
    "Turn": lambda: Turn(THREAD, MESSAGE, 1, ThreadStore()),
    "Policy": lambda: Policy(users={CANARY}, channels={CANARY}),
    "ThreadStore": lambda: ThreadStore(f"postgresql://bot:{CANARY}@db/bot"),
    "ThreadStore by option": lambda: ThreadStore(f"postgresql://bot@db/bot?password={CANARY}"),
    "its engine": lambda: ThreadStore(f"postgresql://bot:{CANARY}@db/bot").engine,
    "its URL": lambda: ThreadStore(f"postgresql://bot:{CANARY}@db/bot").database_url,
    "its provider": lambda: ThreadStore(f"postgresql://bot:{CANARY}@db/bot").provider,
}


@pytest.mark.parametrize("name", SHOWN)
def test_object_shows_no_text_of_itself(name: str) -> None:
    shown = SHOWN[name]()
    assert CANARY not in f"{shown!r} {shown!s} {[shown]} {(shown,)}"


def test_configuration_shows_no_value_that_may_be_secret(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("DB_PASSWORD", CANARY)
    home.configure("postgresql://bot:{DB_PASSWORD}@db/bot", failure_text=CANARY, allow={"users": [CANARY]})
    config = load_config(home.directory / "config.yaml")
    assert config.storage.options["url"] == f"postgresql://bot:{CANARY}@db/bot"
    assert CANARY not in repr(config)
    assert CANARY not in repr(replace(config))


# Errors


def chain_of(error: BaseException) -> str:
    """Return all that a log or a reporter could make of an error, and of those behind it."""
    told = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind is not None:
        told += f"{behind!r} {behind} {behind.args}" if isinstance(behind, BackscrollError) else ""
        behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)
    return told


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://bot:{CANARY}@db/bot",
        f"postgresql:/bot:{CANARY}@db/bot",
        f"postgresql://bot:{CANARY}@@db/bot",
        f"postgresql://bot:{CANARY}@db:99999/bot",
        f"postgresql://bot:{CANARY}@db:x/bot",
        f"postgresql://bot:a/{CANARY}@db/bot",
        f"postgresql://bot:{CANARY}@db/bot?sslmode={CANARY}",
        f"postgresql://bot:{CANARY}@db/bot?{CANARY}=1",
        f"postgresql://bot:{CANARY}@127.0.0.1:1/bot",
        f"postgresql://bot@127.0.0.1:1/bot?password={CANARY}",
        f"sqlite://bot:{CANARY}@/file.db",
        f"{CANARY}://x",
    ],
)
async def test_error_of_a_url_shows_no_password(url: str) -> None:
    with pytest.raises(BackscrollError) as raised:
        await ThreadStore.create(url)
    secret = CANARY if not url.startswith(CANARY) else "://x"
    assert secret not in chain_of(raised.value)


async def test_error_of_a_refused_password_shows_none(postgres_url: str) -> None:
    password = str(urlsplit(postgres_url).password)
    with pytest.raises(BackscrollError) as raised:
        await ThreadStore.create(postgres_url.replace(password, CANARY))
    assert CANARY not in chain_of(raised.value)


async def test_error_of_the_database_shows_no_text(url: str, home: Home) -> None:
    async with ThreadStore(url) as store:
        one = await store.save(Thread(title=CANARY, messages=[Message(role="user", content=CANARY)]))
        other = await store.save(Thread())
        errors = []
        for call in (
            store.add_message("nothing", Message(role="user", content=CANARY)),
            store.add_message(other.id, Message(id=one.messages[0].id, role="user", content=CANARY)),
            store.save_thread_alias("nothing", "alias"),
        ):
            with pytest.raises(BackscrollError) as raised:
                await call
            errors.append(chain_of(raised.value))
    with pytest.raises(BackscrollError) as raised:
        await store.add_message(one.id, Message(role="user", content=CANARY))
    assert all(CANARY not in told for told in [*errors, chain_of(raised.value)])


def test_error_of_a_configuration_shows_no_value(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    home.write(
        "config.yaml",
        f"""
        bot: {{handler: {CANARY}, history_limit: {CANARY}, record: {CANARY}}}
        storage: {{url: "postgresql://bot:{CANARY}@db/bot", pool_size: {CANARY}}}
        adapters: {{console: {CANARY}}}
        """,
    )
    with pytest.raises(ConfigError) as raised:
        load_config(home.directory / "config.yaml")
    assert CANARY not in chain_of(raised.value)


def test_model_that_is_refused_shows_no_text() -> None:
    for wrong in (
        {"role": CANARY},
        {"role": "user", "content": 5, CANARY: CANARY},
        {"role": "user", "id": CANARY * 99},
    ):
        with pytest.raises(ValueError, match="Message") as raised:
            Message.model_validate(wrong)
        assert CANARY not in str(raised.value).replace(f"\n{CANARY}\n", "\n")  # the name of a field that is none


async def test_tasks_and_futures_show_no_text_while_a_message_is_recorded(url: str) -> None:
    """A log of asyncio's shows a task's coroutine and result, and a future's."""
    async with ThreadStore(url) as store:
        await store.initialize()
        manager = ConversationManager(store.provider)
        event = MessagePosted(KEY, KEY.message("1"), "U1", CANARY, NOW, is_direct=True)
        gc.collect()
        gc.freeze()  # only what is made from now on is looked through; conftest.py has frozen most of the rest as well
        recording = asyncio.ensure_future(manager.record(event))
        shown = set()
        while not recording.done():
            shown.add(repr(asyncio.all_tasks()))
            shown |= {repr(future) for future in gc.get_objects() if isinstance(future, asyncio.Future)}
            await asyncio.sleep(0)
    assert "record" in "".join(shown)
    assert CANARY not in "".join(shown)


def test_logging_is_left_to_the_program_that_uses_us() -> None:
    assert logging.getLogger("backscroll").handlers == []
