"""What passes between the bot and storage beside threads and messages: arrivals, answers, parts, feedback and others.

Frozen values without behaviour; a repr never shows a text. `provider/` says what each call does with them. Proved by
`tests/unit/storage/test_records.py`.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import fsum
from typing import Any, Literal

from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.thumbs import Thumb

Asks = Literal["yes", "if_joined", "no"]
AnswerState = Literal["waiting", "running", "suspended", "sending", "sent", "failed", "skipped"]
FinalState = Literal["sent", "failed", "skipped"]
PartState = Literal["waiting", "sent"]
PartKind = Literal["text", "stream", "file", "approval"]
Outcome = Literal["approved", "rejected", "expired"]
UNFINISHED: tuple[AnswerState, ...] = ("waiting", "running", "sending")

AGENT_ANSWERS = 2
"""Answers in a row that messages of other bots get in one thread, at most: two bots must not talk for ever."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came from outside.

    `asks`: whether an answer is due; `if_joined` when the bot was ever asked in this thread. `opens`: whether a thread
    is made where the key has none; otherwise such a message is not kept. `title` and the rest are what it is made with,
    `place` more properties of its place. `is_partial`: earlier messages of the thread are still to be fetched.
    `fetches`: the contents of its files are. `is_late`: it was read from the platform's history; a repeat of what is
    stored then asks for nothing. `is_echo`: this bot posted it, perhaps for an answer; `token` is the part's that it
    came with.
    """

    key: ThreadKey
    message: Message
    external: ExternalId | None = None
    asks: Asks = "no"
    opens: bool = True
    title: str | None = field(default=None, repr=False)
    user_id: str | None = None
    agent_name: str | None = None
    place: dict[str, Any] = field(default_factory=dict, repr=False)
    is_partial: bool = False
    fetches: bool = False
    is_late: bool = False
    is_echo: bool = False
    token: str | None = None

    @property
    def is_by_agent(self) -> bool:
        """Whether another bot wrote it."""
        return is_by_agent(self.message.source)

    def new_thread(self) -> Thread:
        """Make the thread for a key that has none."""
        named = {} if self.title is None else {"title": self.title}
        place = self.key.platforms
        place[self.key.platform] |= self.place
        return Thread(platforms=place, user_id=self.user_id, agent_name=self.agent_name, **named)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an arrival. `message` is the one that is stored, also when this was a repeat."""

    thread_id: str
    message: Message
    is_new: bool
    asked: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The durable duty to answer one message, and its state.

    `position` orders the answers of a thread. `ready_at` is the instant from which it may be taken: when its back-off
    is over while it waits, when its lease ends while somebody has it. `reason` is why it failed or waits once more.
    `is_partial`: as its arrival said. `is_growing`: while it is sent, its text is not yet whole. `is_certain`: it was
    given back by somebody who knows that no part is posted but those marked so.
    """

    id: str
    thread_id: str
    message_id: str
    position: int
    key: ThreadKey
    state: AnswerState
    owner: str | None
    tries: int
    takeovers: int
    ready_at: datetime
    reason: str | None
    answer_message_id: str | None
    created_at: datetime
    updated_at: datetime
    is_partial: bool = False
    is_growing: bool = False
    is_certain: bool = False


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """How many answers are in one state, and how long ago the oldest was asked for; None where there is none."""

    count: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How busy a storage's connections are: how many are open, at work, and allowed; and how many writes wait."""

    open: int
    busy: int
    most: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Part:
    """One post of an answer. `number` counts from 1; `token` travels with the post, so that it can be found again.

    What a `waiting` part waits for: without `external` to be posted; with one to be changed to its text, or to be taken
    away where that is empty. A `stream` may have been posted without its token; a `file` is the message's attachment
    number `position`, from 1. An `approval` has buttons, which carry its message's id: so its approval is named.
    """

    message_id: str
    number: int
    token: str
    text: str = field(repr=False)
    state: PartState
    external: ExternalId | None = None
    kind: PartKind = "text"
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to people that an answer waits for. `number` counts those of its answer, from 1.

    Its `id` is the id of the message that asks. `outcome` is None as long as it is open.
    """

    id: str
    answer_id: str
    number: int
    outcome: Outcome | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person thinks of an answer: stars, 1 to 5, or a thumb, or words. `agent_name` made the answer.

    `query` and `response` are what was asked and answered, as the person's client tells it. A thumb that is a reaction
    has the `metadata` `{"source": "reaction"}`.
    """

    id: str
    thread_id: str
    message_id: str
    user_id: str
    agent_name: str | None
    rating: int | None
    thumb: Thumb | None
    comment: str | None = field(repr=False)
    correction: str | None = field(repr=False)
    query: str | None = field(repr=False)
    response: str | None = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Lay it out as an object; `created_at` stays an instant."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MessageVersion:
    """What a message said before an edit. `written_at` is when that wording came about."""

    content: str | list[dict[str, Any]] = field(repr=False)
    written_at: datetime


@dataclass(frozen=True, slots=True)
class UsageStats:
    """Figures about all that is kept. `tokens` are by model; None stands for messages that name none.

    `costs_usd` are by model too, of those of which a cost was told.
    """

    threads: int
    messages: int
    tokens: dict[str | None, int]
    threads_last_hour: int
    threads_last_24h: int
    threads_last_7d: int
    costs_usd: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Lay the figures out as `ThreadStore.get_usage_stats` gives them."""
        by_model = {model: self.tokens[model] for model in sorted(filter(None, self.tokens)) if self.tokens[model]}
        return {
            "total_threads": self.threads,
            "total_messages": self.messages,
            "avg_messages_per_thread": self.messages / self.threads if self.threads else 0.0,
            "total_tokens": {"total": sum(self.tokens.values()), "by_model": by_model},
            "total_cost_usd": {
                "total": fsum(self.costs_usd.values()),
                "by_model": {model: self.costs_usd[model] for model in sorted(self.costs_usd)},
            },
            "threads_last_hour": self.threads_last_hour,
            "threads_last_24h": self.threads_last_24h,
            "threads_last_7d": self.threads_last_7d,
        }


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file that a deleted message had. Each deletion has an `id` of its own."""

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file of a message whose content is still to be fetched; `position` counts its message's files from 1."""

    message_id: str
    position: int
    platform: str
    workspace: str
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that could not be kept, put aside with its reason."""

    id: str
    platform: str
    reason: str
    payload: dict[str, Any] = field(repr=False)
    created_at: datetime


def is_by_agent(source: dict[str, Any] | None) -> bool:
    """Tell by a message's source whether another bot wrote it."""
    return source is not None and source.get("type") == "agent"
