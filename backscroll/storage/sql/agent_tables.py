"""The tables of what agents leave behind: blocks, feedback, states, approvals, checkpoints, heartbeats.

`migrations/` makes them; a test holds both to the same schema.
"""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from backscroll.storage.sql.tables import message_id_column, metadata, thread_id_column
from backscroll.storage.sql.types import Instant, Json, Key

# Those of `storage.blocks.SAID`.
_SAID = "block_type IN ('user_text', 'text', 'content')"

message_blocks = Table(
    "message_blocks",
    metadata,
    Column("id", Key, primary_key=True),
    message_id_column(),
    Column("position", Integer, nullable=False),
    Column("block_type", Text, nullable=False),
    Column("content", Json, nullable=False),
    # What else is told of it, such as the name of a file.
    Column("details", Json, nullable=False),
    Column("tool_call_id", Text),
    # The content in the file store, of a tool's output that is too long for a row.
    Column("sha256", Text),
    # What it cost, and of which model.
    Column("tokens", BigInteger),
    Column("model", Text),
    Column("cost_usd", Float),
    # What a tool's block is found by, as far as its message is searched.
    Column("tool_text", Text),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("message_id", "position", name="message_blocks_position"),
    Index(
        "message_blocks_said",
        "message_id",
        sqlite_where=text(_SAID),
        postgresql_where=text(_SAID),
    ),
    Index(
        "message_blocks_searched",
        "message_id",
        "position",
        sqlite_where=text("tool_text IS NOT NULL"),
        postgresql_where=text("tool_text IS NOT NULL"),
    ),
    # Calls of one message are told apart, and the newest of all with an id is found.
    Index(
        "message_blocks_call",
        "message_id",
        "tool_call_id",
        unique=True,
        sqlite_where=text("tool_call_id IS NOT NULL"),
        postgresql_where=text("tool_call_id IS NOT NULL"),
    ),
    Index(
        "message_blocks_tool_call",
        "tool_call_id",
        "created_at",
        "id",
        sqlite_where=text("tool_call_id IS NOT NULL"),
        postgresql_where=text("tool_call_id IS NOT NULL"),
    ),
    Index(
        "message_blocks_content",
        "sha256",
        sqlite_where=text("sha256 IS NOT NULL"),
        postgresql_where=text("sha256 IS NOT NULL"),
    ),
    Index(
        "message_blocks_tokens",
        "model",
        "tokens",
        "cost_usd",
        sqlite_where=text("tokens IS NOT NULL"),
        postgresql_where=text("tokens IS NOT NULL"),
    ),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Key, primary_key=True),
    thread_id_column(index=True),
    message_id_column(),
    Column("user_id", Text),
    Column("agent_name", Text),
    # 1 to 5 stars; or "up" or "down".
    Column("rating", Integer),
    Column("thumb", Text),
    Column("comment", Text),
    Column("correction", Text),
    Column("query", Text),
    Column("response", Text),
    Column("attributes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("feedback_message", "message_id"),
    Index("feedback_newest", "created_at", "id"),
    Index("feedback_newest_by_agent", "agent_name", "created_at", "id"),
    Index("feedback_newest_by_user", "user_id", "created_at", "id"),
    Index(
        "feedback_newest_by_rating",
        "rating",
        "created_at",
        "id",
        sqlite_where=text("rating IS NOT NULL"),
        postgresql_where=text("rating IS NOT NULL"),
    ),
    Index(
        "feedback_newest_by_thumb",
        "thumb",
        "created_at",
        "id",
        sqlite_where=text("thumb IS NOT NULL"),
        postgresql_where=text("thumb IS NOT NULL"),
    ),
)

# No key to the threads: a state may be one of a thread that is kept elsewhere.
suspended_states = Table(
    "suspended_states",
    metadata,
    Column("approval_id", Key, primary_key=True),
    Column("thread_id", Key, nullable=False),
    Column("agent_name", Text, nullable=False),
    Column("node_name", Text, nullable=False),
    Column("state", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("suspended_states_thread", "thread_id", "created_at"),
    Index("suspended_states_agent", "agent_name", "created_at"),
    Index("suspended_states_expiry", "expires_at"),
)

# A thread that was deleted and stands between others that are forks of each other.
lost_threads = Table(
    "lost_threads",
    metadata,
    Column("id", Key, primary_key=True),
    Column("parent_id", Key, index=True),
    Column("forked_at", BigInteger),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Key, primary_key=True),
    Column(
        "answer_id",
        Key,
        ForeignKey("answers.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("number", Integer, nullable=False),
    Column("decision", Text),
    Column("decided_by", Text),
    Column("decided_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    UniqueConstraint("answer_id", "number", name="approvals_number"),
    Index(
        "approvals_expiry",
        "expires_at",
        sqlite_where=text("decision IS NULL"),
        postgresql_where=text("decision IS NULL"),
    ),
)

# No key to the threads: a graph's thread need not be one of ours.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("thread_id", Key, primary_key=True),
    Column("namespace", Key, primary_key=True),
    Column("checkpoint_id", Key, primary_key=True),
    Column("parent_id", Key),
    Column("checkpoint", Json, nullable=False),
    Column("metadata", Json, nullable=False),
    # What its metadata name as the run that made it.
    Column("run_id", Key),
    Column("created_at", Instant, nullable=False),
    Index(
        "checkpoints_run",
        "run_id",
        sqlite_where=text("run_id IS NOT NULL"),
        postgresql_where=text("run_id IS NOT NULL"),
    ),
)

checkpoint_writes = Table(
    "checkpoint_writes",
    metadata,
    Column("thread_id", Key, primary_key=True),
    Column("namespace", Key, primary_key=True),
    Column("checkpoint_id", Key, primary_key=True),
    Column("task_id", Key, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("task_path", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("value", Json, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("agent_name", Key, primary_key=True),
    Column("last_ping_pong_time", Float, nullable=False),
)
