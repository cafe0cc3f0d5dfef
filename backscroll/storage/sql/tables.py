"""The tables, as this release uses them. `migrations/` makes them; a test holds both to the same schema.

`agent_tables.py` has those of what agents leave behind. The indexes over `search_text` and `search_words` stand in the
migrations alone: `search.py` says how they are asked.

People query `threads`, `messages` and `message_reactions` by hand, so their columns keep their names.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)

from backscroll.storage.records import UNFINISHED
from backscroll.storage.sql.types import Instant, Json, Key

metadata = MetaData()

_OPEN = "state IN ('waiting', 'running', 'sending')"


def thread_id_column(**options: object) -> Column[str]:
    """Make the column of the thread that a row goes with."""
    reference = ForeignKey("threads.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    return Column("thread_id", Key, reference, nullable=False, **options)  # type: ignore[arg-type]


def message_id_column(*, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    """Make the column of the message that a row goes with."""
    reference = ForeignKey("messages.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    return Column("message_id", Key, reference, nullable=nullable, primary_key=primary_key)


def _external(*, nullable: bool) -> list[Column[str]]:
    names = ("platform", "workspace", "channel", "external_id")
    return [Column(name, Text, nullable=nullable) for name in names]


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=false())


def _number() -> Column[int]:
    """Make the row's number, which SQLite's search tables name it by: its own rowids change when it vacuums."""
    return Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)


threads = Table(
    "threads",
    metadata,
    _number(),
    Column("id", Key, nullable=False),
    Column("title", Text, nullable=False),
    Column("user_id", Text),
    Column("agent_name", Text),
    Column("attributes", Json, nullable=False),
    Column("platforms", Json, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("parent_id", Key),
    Column("forked_at", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # The title, as search.py folds it and cuts it into words; messages have the same of their contents.
    Column("search_text", Text, nullable=False),
    Column("search_words", Text, nullable=False),
    UniqueConstraint("id", name="threads_id"),
    Index(
        "threads_forks",
        "parent_id",
        sqlite_where=text("parent_id IS NOT NULL"),
        postgresql_where=text("parent_id IS NOT NULL"),
    ),
    Index("threads_newest", "updated_at", "id"),
    Index("threads_newest_by_agent", "agent_name", "updated_at", "id"),
    Index("threads_newest_by_user", "user_id", "updated_at", "id"),
)

messages = Table(
    "messages",
    metadata,
    _number(),
    Column("id", Key, nullable=False),
    thread_id_column(),
    Column("sequence", BigInteger, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    # The content itself where it is a list of blocks; `content` is its plain text then.
    Column("content_blocks", Json),
    Column("name", Text),
    Column("source", Json),
    *_external(nullable=True),
    Column("platforms", Json, nullable=False),
    Column("attributes", Json, nullable=False),
    Column("tool_calls", Json, nullable=False),
    Column("tool_call_id", Text),
    Column("metrics", Json, nullable=False),
    Column("token_count", BigInteger),
    # What it cost, and of which model, as the figures count it.
    Column("tokens", BigInteger),
    Column("model", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("edited_at", Instant),
    Column("deleted_at", Instant),
    Column("search_text", Text, nullable=False),
    Column("search_words", Text, nullable=False),
    UniqueConstraint("id", name="messages_id"),
    UniqueConstraint("thread_id", "sequence", name="messages_sequence"),
    Index(
        "messages_by_age",
        "created_at",
        "id",
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index(
        "messages_tokens",
        "model",
        "tokens",
        sqlite_where=text("tokens IS NOT NULL"),
        postgresql_where=text("tokens IS NOT NULL"),
    ),
)

message_parts = Table(
    "message_parts",
    metadata,
    # No message yet: the id was claimed by an edit, deletion or reaction that came before it (early_events).
    message_id_column(nullable=True),
    Column("part", Integer, nullable=False),
    Column("token", Text),
    Column("text", Text),
    *_external(nullable=True),
    Column("state", Text, nullable=False),
    # Of the posts of an answer: "text", "stream", or "file", which is the message's attachment of this position.
    Column("kind", Text),
    Column("position", Integer),
    Column("answer_id", Key),
    UniqueConstraint("message_id", "part", name="message_parts_part"),
    UniqueConstraint("token", name="message_parts_token"),
    # The id first: links name it without the workspace.
    UniqueConstraint("external_id", "channel", "workspace", "platform", name="message_parts_external"),
)
_EXPECTED = "state = 'expected'"
Index(
    "message_parts_expected",
    message_parts.c.state,
    sqlite_where=text(_EXPECTED),
    postgresql_where=text(_EXPECTED),
)

_WAITING = "state = 'waiting'"
Index(
    "message_parts_waiting",
    message_parts.c.answer_id,
    sqlite_where=text(_WAITING),
    postgresql_where=text(_WAITING),
)

message_files = Table(
    "message_files",
    metadata,
    message_id_column(primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    Column("location", Text),
    # The platform and workspace that its content is still to be fetched from.
    Column("wanted_from", Json),
    Index(
        "message_files_content",
        "sha256",
        sqlite_where=text("sha256 IS NOT NULL"),
        postgresql_where=text("sha256 IS NOT NULL"),
    ),
    Index(
        "message_files_wanted",
        "message_id",
        "position",
        sqlite_where=text("wanted_from IS NOT NULL"),
        postgresql_where=text("wanted_from IS NOT NULL"),
    ),
)

dropped_files = Table(
    "dropped_files",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

message_reactions = Table(
    "message_reactions",
    metadata,
    message_id_column(primary_key=True),
    Column("emoji", Key, primary_key=True),
    Column("user_id", Key, primary_key=True),
    # Orders the reactors of a message; given out under the lock of the thread's row.
    Column("position", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("event_at", Instant),
    Column("removed_at", Instant),
)

message_versions = Table(
    "message_versions",
    metadata,
    message_id_column(primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", Text, nullable=False),
    Column("content_blocks", Json),
    Column("written_at", Instant, nullable=False),
)

thread_properties = Table(
    "thread_properties",
    metadata,
    thread_id_column(primary_key=True),
    # SHA-256 of scope and name, and of the value's canonical JSON: names and values of any length fit an index.
    Column("name_hash", LargeBinary, primary_key=True),
    Column("value_hash", LargeBinary, nullable=False),
    # "attributes" or "platforms.NAME" and a top-level key of it; "platforms" and the platform itself.
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Index("thread_properties_value", "value_hash", "name_hash", "thread_id"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("alias", Key, primary_key=True),
    thread_id_column(index=True),
    Column("created_at", Instant, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("id", Key, primary_key=True),
    thread_id_column(),
    message_id_column(),
    Column("position", BigInteger, nullable=False),
    Column("platform", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text),
    Column("tries", Integer, nullable=False),
    Column("takeovers", Integer, nullable=False),
    Column("ready_at", Instant, nullable=False),
    Column("reason", Text),
    Column("answer_message_id", Key),
    _flag("is_partial"),
    _flag("is_growing"),
    _flag("is_certain"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("message_id", name="answers_message"),
    UniqueConstraint("thread_id", "position", name="answers_position"),
    Index("answers_asked", "created_at", "id"),
)
Index("answers_ready", answers.c.ready_at, sqlite_where=text(_OPEN), postgresql_where=text(_OPEN))
Index(
    "answers_unfinished",
    answers.c.thread_id,
    answers.c.position,
    sqlite_where=text(_OPEN),
    postgresql_where=text(_OPEN),
)
_HELD = "state IN ('running', 'sending')"
Index(
    "answers_one_at_a_time",
    answers.c.thread_id,
    unique=True,
    sqlite_where=text(_HELD),
    postgresql_where=text(_HELD),
)

early_events = Table(
    "early_events",
    metadata,
    Column("id", Key, primary_key=True),
    *_external(nullable=False),
    # "edit", "delete", "add" or "remove" (a reaction), or "clear" (of an emoji, or where it is null of all).
    Column("kind", Text, nullable=False),
    Column("emoji", Key),
    Column("user_id", Text),
    Column("content", Json),
    Column("event_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("early_events_message", "platform", "workspace", "channel", "external_id"),
    Index("early_events_age", "created_at"),
)

rejected_events = Table(
    "rejected_events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("rejected_events_newest", "created_at", "id"),
)

kv_store = Table(
    "kv_store",
    metadata,
    Column("namespace", Key, primary_key=True),
    Column("key", Key, primary_key=True),
    Column("value", Json, nullable=False),
)

list_store = Table(
    "list_store",
    metadata,
    # SQLite numbers rows by itself only where the key is its INTEGER.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("namespace", Key, nullable=False),
    Column("key", Key, nullable=False),
    Column("item", Json, nullable=False),
    Index("list_store_list", "namespace", "key", "position"),
)


def is_unfinished(state: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether an answer's state is none that it ends in."""
    # Literals as in the partial indexes, or the planner would not see that they fit.
    return state.in_([literal_column(f"'{each}'") for each in UNFINISHED])
