"""Messages that stand, by their age: what is too old is found from the oldest on."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"
branch_labels = None
depends_on = None

_STANDS = "deleted_at IS NULL"


def upgrade() -> None:
    """Bring the schema to version 4."""
    stands = sa.text(_STANDS)
    op.create_index("messages_by_age", "messages", ["created_at", "id"], sqlite_where=stands, postgresql_where=stands)
