"""Alembic's entry: runs the migrations on the connection of `state.upgrade`, inside its transaction."""

from alembic import context

from state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=True,  # true of PostgreSQL, and of SQLite as we begin transactions
)
with context.begin_transaction():
    context.run_migrations()
