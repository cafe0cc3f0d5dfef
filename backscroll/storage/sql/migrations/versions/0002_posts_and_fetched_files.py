"""Answers that grow, posts beside them, files to be fetched."""

import sqlalchemy as sa
from alembic import op

from backscroll.storage.sql.types import Json, Key

revision = "2"
down_revision = "1"
branch_labels = None
depends_on = None

_WAITING = "state = 'waiting'"
_WANTED = "wanted_from IS NOT NULL"


def upgrade() -> None:
    """Bring the schema to version 2."""
    for name in ("is_partial", "is_growing", "is_certain"):
        op.add_column("answers", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    for column in (sa.Column("kind", sa.Text()), sa.Column("position", sa.Integer()), sa.Column("answer_id", Key)):
        op.add_column("message_parts", column)
    op.add_column("message_files", sa.Column("wanted_from", Json))
    waiting, wanted = sa.text(_WAITING), sa.text(_WANTED)
    op.create_index(
        "message_parts_waiting", "message_parts", ["answer_id"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index(
        "message_files_wanted",
        "message_files",
        ["message_id", "position"],
        sqlite_where=wanted,
        postgresql_where=wanted,
    )
    # Last: PostgreSQL alters no table of which a deferred key waits to be checked.
    op.execute("UPDATE message_parts SET kind = 'text' WHERE token IS NOT NULL")
    op.execute(
        "UPDATE message_parts SET answer_id = (SELECT a.id FROM answers a"
        " WHERE a.answer_message_id = message_parts.message_id) WHERE token IS NOT NULL"
    )
