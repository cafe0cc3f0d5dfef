"""`docs/moving.md` says what is there: its code runs, its tables name our calls, and what it moves arrives whole."""

import ast
import inspect
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import pytest

from backscroll import Attachment, Message, Thread, ThreadStore
from backscroll.storage.files import LocalFiles
from backscroll.storage.sql.settings import PREFIX, PoolSettings

PAGE = Path(__file__).parents[1] / "docs/moving.md"
TEXT = PAGE.read_text()
OURS = {"store": ThreadStore, "thread": Thread, "message": Message, "attachment": Attachment}
NAMES = re.compile(rf"\b({'|'.join(OURS)})\.(\w+)")


def code_blocks() -> list[tuple[int, str]]:
    """Return each Python block of the page, and the line that it begins on."""
    blocks = re.finditer(r"```python\n(.*?)```", TEXT, re.DOTALL)
    return [(TEXT.count("\n", 0, block.start(1)), block[1]) for block in blocks]


def prose() -> str:
    return re.sub(r"```\w*\n.*?```", "", TEXT, flags=re.DOTALL)


async def run(line: int, code: str, names: dict[str, Any]) -> None:
    """Run a block, in which `await` may stand outside a function; a fault is told with the page's own line."""
    program = compile("\n" * line + code, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = FunctionType(program, names)()
    if inspect.isawaitable(done):
        await done


async def run_page() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for line, code in code_blocks():
        await run(line, code, names)
    return names


@dataclass
class OldFile:
    filename: str
    content: bytes
    mime_type: str | None = None
    attributes: dict[str, Any] | None = None

    async def get_content_bytes(self, file_store: "OldFileStore") -> bytes:
        assert isinstance(file_store, OldFileStore)
        return self.content


class OldFileStore:
    @classmethod
    async def create(cls, base_path: str | None = None) -> "OldFileStore":
        return cls()


@dataclass
class OldStore:
    """The other store as far as the page calls it; gives its threads newest first."""

    threads: list[SimpleNamespace] = field(default_factory=list)

    async def create(self, database_url: str) -> "OldStore":
        return self

    async def list_recent(self, limit: int | None = None) -> list[SimpleNamespace]:
        return self.threads[:limit]


def old_message(message_id: str, **fields: Any) -> SimpleNamespace:
    """Make a message as theirs are loaded: what was not given is None or filled in."""
    usage = {"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0}
    empty = dict.fromkeys(("content", "name", "source", "tool_call_id", "tool_calls", "turn", "reasoning_content"))
    filled: dict[str, Any] = {"attributes": {}, "platforms": {}, "attachments": [], "reactions": {}}
    metrics = {"model": None, "timing": {"started_at": None, "latency": 0}, "usage": usage}
    at = datetime(2025, 1, 1, 12, tzinfo=UTC)
    return SimpleNamespace(id=message_id, **empty | filled | {"metrics": metrics, "timestamp": at} | fields)


def old_thread(thread_id: str, messages: list[SimpleNamespace], **fields: Any) -> SimpleNamespace:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    made = {"title": None, "attributes": {}, "created_at": at, "updated_at": at, "messages": messages} | fields
    return SimpleNamespace(id=thread_id, **made)


def by_mover(thread: Thread) -> dict[str, Any]:
    """Dump what the page's code decides: all but what storage sets, and the files, which have a test of their own."""
    return thread.model_dump(exclude={"updated_at": True, "messages": {"__all__": {"updated_at", "attachments"}}})


@pytest.fixture
def old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OldStore:
    """Stand in for the other package, in a directory of the test's own."""
    store = OldStore()
    module = ModuleType("narrator")
    module.__dict__.update(ThreadStore=store, FileStore=OldFileStore)
    monkeypatch.setitem(sys.modules, "narrator", module)
    monkeypatch.chdir(tmp_path)
    file = OldFile("a.txt", b"All well", attributes={"text": "All well"})
    call = {"id": "c1", "type": "function", "function": {}}
    messages = [
        old_message("m1", role="user", content="See the file.", turn=1, attachments=[file]),
        old_message("m2", role="assistant", tool_calls=[call]),
        old_message("m3", role="tool", content="72", name="weather", tool_call_id="c1", reactions={":eyes:": ["U1"]}),
    ]
    slack = {"slack": {"channel": "C1", "thread_ts": "1.000001"}}
    store.threads = [
        old_thread("newer", messages, title="Files", attributes={"customer": 5}, platforms=slack),
        old_thread("older", [], source={"name": "slack", "channel": "C2"}),
    ]
    return store


@pytest.mark.usefixtures("old_store")
async def test_code_of_the_page_runs() -> None:
    await run_page()


@pytest.mark.usefixtures("old_store")
async def test_moved_thread_has_all_fields() -> None:
    await run_page()

    async with ThreadStore("sqlite:///moved.db") as store:
        thread = await store.get("newer")
    assert thread is not None
    filled = {"metrics": old_message("").metrics, "created_at": datetime(2025, 1, 1, 12, tzinfo=UTC)}
    read = {"turn": 1, "attachments": [{"text": "All well"}]}
    call = {"id": "c1", "type": "function", "function": {}}
    answered: dict[str, Any] = {"tool_call_id": "c1", "reactions": {":eyes:": ["U1"]}}
    expected = Thread(
        id="newer",
        title="Files",
        attributes={"customer": 5},
        platforms={"slack": {"channel": "C1", "thread_ts": "1.000001"}},
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        messages=[
            Message(id="m1", sequence=1, role="user", content="See the file.", attributes=read, **filled),
            Message(id="m2", sequence=2, role="assistant", tool_calls=[call], **filled),
            Message(id="m3", sequence=3, role="tool", content="72", name="weather", **answered, **filled),
        ],
    )
    assert by_mover(thread) == by_mover(expected)


@pytest.mark.usefixtures("old_store")
async def test_moved_file_is_read() -> None:
    await run_page()

    async with ThreadStore("sqlite:///moved.db", files=LocalFiles("moved-files")) as store:
        (first, *_) = await store.get_messages("newer")
        (attachment,) = first.attachments
        content = await store.read_file(attachment)
    assert (attachment.name, attachment.type, content) == ("a.txt", "application/octet-stream", b"All well")


@pytest.mark.usefixtures("old_store")
async def test_moved_threads_keep_their_order() -> None:
    await run_page()

    async with ThreadStore("sqlite:///moved.db") as store:
        threads = await store.list_recent()
    assert [(thread.id, thread.title) for thread in threads] == [("newer", "Files"), ("older", "Untitled Thread")]
    assert threads[1].platforms == {"slack": {"channel": "C2"}}


async def test_moving_again_adds_what_came_since_and_nothing_twice(old_store: OldStore) -> None:
    names = await run_page()
    old_store.threads[0].messages.append(old_message("m4", role="user", content="And now?"))

    await run(*code_blocks()[-1], names)

    async with ThreadStore("sqlite:///moved.db") as store:
        messages = await store.get_messages("newer")
        page, total = await store.list_threads()
    assert [(message.id, message.sequence) for message in messages] == [("m1", 1), ("m2", 2), ("m3", 3), ("m4", 4)]
    assert [thread.id for thread in page] == ["newer", "older"]
    assert total == 2


def is_there(kind: type[Any], name: str) -> bool:
    # A model's fields are no attributes of its class, and a store has its provider as an object.
    return hasattr(kind, name) or name in getattr(kind, "model_fields", ("provider",))


def test_page_names_no_call_that_is_not_there() -> None:
    named = set(NAMES.findall(prose()))

    assert named
    assert sorted((noun, name) for noun, name in named if not is_there(OURS[noun], name)) == []


def test_code_of_the_page_has_each_call_that_it_names() -> None:
    named = set(NAMES.findall(prose()))
    code = "\n".join(block for _, block in code_blocks())

    assert sorted(named - set(NAMES.findall(code))) == []


def test_page_names_the_variables_of_the_pool() -> None:
    named = set(re.findall(rf"{PREFIX}\w+", TEXT))

    assert named == {PREFIX + name.upper() for name in PoolSettings.__dataclass_fields__}
