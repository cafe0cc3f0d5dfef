"""How large everything is, and how the threads that are filled in are called."""

from dataclasses import dataclass
from typing import Any

SENTENCE = "The deploy is out, and nothing burns."
TEXT = (
    "The deploy went out at noon and nothing burns so far; the queue drains, latency is back under forty milliseconds, "
    "and I will write a summary for the whole team before the day ends."
)
WRITERS = 64

BASE = 1_000_000_000
"""What a thread's number is added to where it stands in a text, so that texts sort as numbers do."""


@dataclass(frozen=True, slots=True)
class Group:
    """Threads with numbers from `first` up, each of so many messages."""

    first: int
    count: int
    messages: int

    @property
    def numbers(self) -> range:
        """The threads' numbers."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class Size:
    """What one database holds before anything is measured in it. One that is only read may be shared."""

    name: str
    groups: tuple[Group, ...] = ()
    text: str = TEXT
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    rounds: int = 9
    appends: int = 200
    """By a lone writer, in a round."""
    appends_each: int = 40
    """By each of many writers, in a round."""
    reads: int = 200
    threads: int = 1_000_000
    long_thread: int = 100_000
    bulk_threads: int = 10_000
    bulk_slice: int = 2_000
    bulk_rounds: int = 3
    passing: int = 1_000_000
    settled: int = 50_000
    """Messages after which memory no longer grows."""
    said: int = 2_000
    """Messages that people write to a bot, in a round."""
    said_steadily_s: int = 30
    moved: int = 100_000
    """Messages that are exported, imported and copied."""
    transfer_rounds: int = 3


FULL = Scale()
QUICK = Scale(
    rounds=5,
    appends=100,
    appends_each=10,
    reads=100,
    threads=100_000,
    long_thread=20_000,
    bulk_threads=1_000,
    bulk_slice=500,
    bulk_rounds=2,
    passing=40_000,
    settled=20_000,
    said=1_000,
    said_steadily_s=10,
    moved=40_000,
    transfer_rounds=1,
)

SMALL = Size("small", (Group(0, 1_000, 1),), SENTENCE, is_shared=True)
EMPTY = Size("empty")
LONG = Group(0, 1, 10_000)
OURS = Group(1_000, WRITERS, 10)
THEIRS = Group(2_000, WRITERS, 10)
SHORT = Group(3_000, 500, 10)
HUNDRED = Group(4_000, 1, 100)


def large(scale: Scale) -> Size:
    """Name the database of very many threads."""
    return Size("large", (Group(0, scale.threads, 1),), SENTENCE, is_shared=True)


def huge(scale: Scale) -> Group:
    """Name the thread of very many messages."""
    return Group(5_000, 1, scale.long_thread)


def various(scale: Scale) -> Size:
    """Name the database of threads of various lengths."""
    return Size("various", (LONG, OURS, THEIRS, SHORT, HUNDRED, huge(scale)))


def thread_id(number: int) -> str:
    """Return the id of a thread that was filled in."""
    return f"018f0000-0000-7000-8000-00{BASE + number}"


def place(number: int) -> dict[str, Any]:
    """Return where a thread that was filled in lives on Slack."""
    return {"team": "T1", "channel": f"C{1_000 + (BASE + number) % 1_000}", "thread_ts": f"{BASE + number}.000100"}


def alias(number: int) -> str:
    """Return the alias of a thread that was filled in."""
    return ":".join(["slack", *place(number).values()])
