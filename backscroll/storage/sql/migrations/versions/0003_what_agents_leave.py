"""What agents leave behind: blocks, feedback, suspended states, forks, approvals, checkpoints, heartbeats."""

import sqlalchemy as sa
from alembic import op

from backscroll.storage.sql.types import Instant, Json, Key

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to version 3."""
    op.create_table(
        "message_blocks",
        sa.Column("id", Key, nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("block_type", sa.Text(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.Column("tool_call_id", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("tool_text", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id", "position", name="message_blocks_position"),
    )
    op.create_index(
        "message_blocks_call",
        "message_blocks",
        ["message_id", "tool_call_id"],
        unique=True,
        sqlite_where=sa.text("tool_call_id IS NOT NULL"),
        postgresql_where=sa.text("tool_call_id IS NOT NULL"),
    )
    op.create_index(
        "message_blocks_content",
        "message_blocks",
        ["sha256"],
        sqlite_where=sa.text("sha256 IS NOT NULL"),
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )
    op.create_index(
        "message_blocks_said",
        "message_blocks",
        ["message_id"],
        sqlite_where=sa.text("block_type IN ('user_text', 'text', 'content')"),
        postgresql_where=sa.text("block_type IN ('user_text', 'text', 'content')"),
    )
    op.create_index(
        "message_blocks_searched",
        "message_blocks",
        ["message_id", "position"],
        sqlite_where=sa.text("tool_text IS NOT NULL"),
        postgresql_where=sa.text("tool_text IS NOT NULL"),
    )
    op.create_index(
        "message_blocks_tokens",
        "message_blocks",
        ["model", "tokens", "cost_usd"],
        sqlite_where=sa.text("tokens IS NOT NULL"),
        postgresql_where=sa.text("tokens IS NOT NULL"),
    )
    op.create_index(
        "message_blocks_tool_call",
        "message_blocks",
        ["tool_call_id", "created_at", "id"],
        sqlite_where=sa.text("tool_call_id IS NOT NULL"),
        postgresql_where=sa.text("tool_call_id IS NOT NULL"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", Key, nullable=False),
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("thumb", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("correction", sa.Text(), nullable=True),
        sa.Column("query", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("feedback_message", "feedback", ["message_id"])
    op.create_index("feedback_newest", "feedback", ["created_at", "id"])
    op.create_index("feedback_newest_by_agent", "feedback", ["agent_name", "created_at", "id"])
    op.create_index(
        "feedback_newest_by_rating",
        "feedback",
        ["rating", "created_at", "id"],
        sqlite_where=sa.text("rating IS NOT NULL"),
        postgresql_where=sa.text("rating IS NOT NULL"),
    )
    op.create_index(
        "feedback_newest_by_thumb",
        "feedback",
        ["thumb", "created_at", "id"],
        sqlite_where=sa.text("thumb IS NOT NULL"),
        postgresql_where=sa.text("thumb IS NOT NULL"),
    )
    op.create_index("feedback_newest_by_user", "feedback", ["user_id", "created_at", "id"])
    op.create_index("ix_feedback_thread_id", "feedback", ["thread_id"])
    op.create_table(
        "suspended_states",
        sa.Column("approval_id", Key, nullable=False),
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("agent_name", sa.Text(), nullable=False),
        sa.Column("node_name", sa.Text(), nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("approval_id"),
    )
    op.create_index("suspended_states_agent", "suspended_states", ["agent_name", "created_at"])
    op.create_index("suspended_states_expiry", "suspended_states", ["expires_at"])
    op.create_index("suspended_states_thread", "suspended_states", ["thread_id", "created_at"])
    op.create_table(
        "lost_threads",
        sa.Column("id", Key, nullable=False),
        sa.Column("parent_id", Key, nullable=True),
        sa.Column("forked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_lost_threads_parent_id", "lost_threads", ["parent_id"])
    op.create_table(
        "approvals",
        sa.Column("id", Key, nullable=False),
        sa.Column("answer_id", Key, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answers.id"], ondelete="CASCADE", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("answer_id", "number", name="approvals_number"),
    )
    op.create_index(
        "approvals_expiry",
        "approvals",
        ["expires_at"],
        sqlite_where=sa.text("decision IS NULL"),
        postgresql_where=sa.text("decision IS NULL"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("namespace", Key, nullable=False),
        sa.Column("checkpoint_id", Key, nullable=False),
        sa.Column("parent_id", Key, nullable=True),
        sa.Column("checkpoint", Json, nullable=False),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("run_id", Key, nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "namespace", "checkpoint_id"),
    )
    op.create_index(
        "checkpoints_run",
        "checkpoints",
        ["run_id"],
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_table(
        "checkpoint_writes",
        sa.Column("thread_id", Key, nullable=False),
        sa.Column("namespace", Key, nullable=False),
        sa.Column("checkpoint_id", Key, nullable=False),
        sa.Column("task_id", Key, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("task_path", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "namespace", "checkpoint_id", "task_id", "position"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("agent_name", Key, nullable=False),
        sa.Column("last_ping_pong_time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("agent_name"),
    )
    op.create_index(
        "threads_forks",
        "threads",
        ["parent_id"],
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
