"""Run this package's migrations on the connection that `database.open_database` hands over."""

from alembic import context

from captive_portal.database import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction holds the tables and the number
)
context.run_migrations()
