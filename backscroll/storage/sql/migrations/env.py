"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `migrating.py` holds."""

from alembic import context

from backscroll.storage.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
