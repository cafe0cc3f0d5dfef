"""The first schema."""

import sqlalchemy as sa
from alembic import op

from backscroll.storage.sql.types import Instant, Json, Key

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


# The words are cut already: this tokenizer parts them at the spaces.
_WORDS = "tokenize = 'ascii'"
_TRIGRAMS = "tokenize = 'trigram'"
# The pg_trgm extension may be missing, or not be this user's to make. Without it a search for a part reads every text.
_POSTGRESQL_TRIGRAMS = """
DO $$
DECLARE place text;
BEGIN
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file THEN
        NULL;
    END;
    SELECT nspname INTO place FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_trgm';
    IF place IS NOT NULL THEN
        EXECUTE format('CREATE INDEX threads_trigrams ON threads USING gin (search_text %I.gin_trgm_ops)', place);
        EXECUTE format('CREATE INDEX messages_trigrams ON messages USING gin (search_text %I.gin_trgm_ops)', place);
    END IF;
END $$
"""


def _number() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("number", kind, sa.Identity(always=False), nullable=False)


def _index_texts_sqlite(table: str, index: str, column: str, options: str) -> None:
    """Make a full-text index over a column, and the triggers that keep it the same as the column."""
    options = f"content = '{table}', content_rowid = 'number', detail = none, columnsize = 0, {options}"
    op.execute(f"CREATE VIRTUAL TABLE {index} USING fts5({column}, {options})")
    add = f"INSERT INTO {index}(rowid, {column}) VALUES (new.number, new.{column});"  # noqa: S608  # constants
    drop = f"INSERT INTO {index}({index}, rowid, {column}) VALUES ('delete', old.number, old.{column});"  # noqa: S608  # constants
    op.execute(f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {add} END")
    op.execute(f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {drop} END")
    op.execute(f"CREATE TRIGGER {index}_update AFTER UPDATE OF {column} ON {table} BEGIN {drop} {add} END")


def _index_texts() -> None:
    """Index the titles and the contents, by words and by trigrams."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in ("threads", "messages"):
        if on_postgresql:
            words = "string_to_array(search_words, ' ')"
            op.execute(f"CREATE INDEX {table}_words ON {table} USING gin ({words})")
        else:
            _index_texts_sqlite(table, f"{table}_words", "search_words", _WORDS)
            _index_texts_sqlite(table, f"{table}_trigrams", "search_text", _TRIGRAMS)
    if on_postgresql:
        op.execute(_POSTGRESQL_TRIGRAMS)


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "dropped_files",
        sa.Column("id", Key, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "early_events",
        sa.Column("id", Key, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("emoji", Key, nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("content", Json, nullable=True),
        sa.Column("event_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("early_events_age", "early_events", ["created_at"], unique=False)
    op.create_index(
        "early_events_message", "early_events", ["platform", "workspace", "channel", "external_id"], unique=False
    )
    op.create_table(
        "kv_store",
        sa.Column("namespace", Key, nullable=False),
        sa.Column("key", Key, nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "key"),
    )
    op.create_table(
        "list_store",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("namespace", Key, nullable=False),
        sa.Column("key", Key, nullable=False),
        sa.Column("item", Json, nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("list_store_list", "list_store", ["namespace", "key", "position"], unique=False)
    op.create_table(
        "rejected_events",
        sa.Column("id", Key, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rejected_events_newest", "rejected_events", ["created_at", "id"], unique=False)
    op.create_table(
        "threads",
        _number(),
        sa.Column("id", Key, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("platforms", Json, nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", Key, nullable=True),
        sa.Column("forked_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("search_words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name="threads_id"),
    )
    op.create_index("threads_newest", "threads", ["updated_at", "id"], unique=False)
    op.create_index("threads_newest_by_agent", "threads", ["agent_name", "updated_at", "id"], unique=False)
    op.create_index("threads_newest_by_user", "threads", ["user_id", "updated_at", "id"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("alias", Key, nullable=False),
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("alias"),
    )
    op.create_index(op.f("ix_aliases_thread_id"), "aliases", ["thread_id"], unique=False)
    op.create_table(
        "messages",
        _number(),
        sa.Column("id", Key, nullable=False),
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_blocks", Json, nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("source", Json, nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("workspace", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("platforms", Json, nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("tool_calls", Json, nullable=False),
        sa.Column("tool_call_id", sa.Text(), nullable=True),
        sa.Column("metrics", Json, nullable=False),
        sa.Column("token_count", sa.BigInteger(), nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("edited_at", Instant(), nullable=True),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("search_words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name="messages_id"),
        sa.UniqueConstraint("thread_id", "sequence", name="messages_sequence"),
    )
    op.create_index(
        "messages_tokens",
        "messages",
        ["model", "tokens"],
        unique=False,
        sqlite_where=sa.text("tokens IS NOT NULL"),
        postgresql_where=sa.text("tokens IS NOT NULL"),
    )
    op.create_table(
        "thread_properties",
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("name_hash", sa.LargeBinary(), nullable=False),
        sa.Column("value_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("thread_id", "name_hash"),
    )
    op.create_index(
        "thread_properties_value", "thread_properties", ["value_hash", "name_hash", "thread_id"], unique=False
    )
    op.create_table(
        "answers",
        sa.Column("id", Key, nullable=False),
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("takeovers", sa.Integer(), nullable=False),
        sa.Column("ready_at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("answer_message_id", Key, nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id", name="answers_message"),
        sa.UniqueConstraint("thread_id", "position", name="answers_position"),
    )
    op.create_index("answers_asked", "answers", ["created_at", "id"], unique=False)
    op.create_index(
        "answers_one_at_a_time",
        "answers",
        ["thread_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('running', 'sending')"),
        postgresql_where=sa.text("state IN ('running', 'sending')"),
    )
    op.create_index(
        "answers_ready",
        "answers",
        ["ready_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting', 'running', 'sending')"),
        postgresql_where=sa.text("state IN ('waiting', 'running', 'sending')"),
    )
    op.create_index(
        "answers_unfinished",
        "answers",
        ["thread_id", "position"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting', 'running', 'sending')"),
        postgresql_where=sa.text("state IN ('waiting', 'running', 'sending')"),
    )
    op.create_table(
        "message_files",
        sa.Column("message_id", Key, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("message_id", "position"),
    )
    op.create_index(
        "message_files_content",
        "message_files",
        ["sha256"],
        unique=False,
        sqlite_where=sa.text("sha256 IS NOT NULL"),
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )
    op.create_table(
        "message_parts",
        sa.Column("message_id", Key, nullable=True),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("workspace", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.UniqueConstraint("message_id", "part", name="message_parts_part"),
        sa.UniqueConstraint("external_id", "channel", "workspace", "platform", name="message_parts_external"),
        sa.UniqueConstraint("token", name="message_parts_token"),
    )
    op.create_index(
        "message_parts_expected",
        "message_parts",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state = 'expected'"),
        postgresql_where=sa.text("state = 'expected'"),
    )
    op.create_table(
        "message_reactions",
        sa.Column("message_id", Key, nullable=False),
        sa.Column("emoji", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("event_at", Instant(), nullable=True),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("message_id", "emoji", "user_id"),
    )
    op.create_table(
        "message_versions",
        sa.Column("message_id", Key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_blocks", Json, nullable=True),
        sa.Column("written_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("message_id", "version"),
    )
    _index_texts()
