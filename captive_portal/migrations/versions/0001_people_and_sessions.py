"""People's accounts, sessions, and the addresses that open sessions hold.

Migrations do not import the models: they say what the tables were when they were written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Times are int microseconds since 1970-01-01T00:00:00Z."""
    _people()
    _sessions()


def _people() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("account", sa.String(length=253), nullable=False),
        sa.Column("folded", sa.String(length=1012), nullable=False),
        sa.Column("full_name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password", sa.String(length=256), nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("proofing", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_index("uq_account_site_folded", "account", ["site", "folded"], unique=True)


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=True),
        sa.Column("account", sa.String(length=1024), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("nas", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=True),
        sa.Column("bytes_out", sa.BigInteger(), nullable=True),
        sa.Column("rest", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
    )
    op.create_index("ix_session_key_generation", "session", ["key", "generation"], unique=False)
    op.create_index("ix_session_person", "session", ["person"], unique=False)
    op.create_index("ix_session_start", "session", ["start"], unique=False)
    op.create_index("ix_session_state_site", "session", ["state", "site"], unique=False)
    op.create_table(
        "session_address",
        sa.Column("session", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(length=49), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["session"], ["session.id"], name="fk_session_address_session", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session", "address", name="pk_session_address"),
    )
    op.create_index(
        "ix_session_address_site_address", "session_address", ["site", "address"], unique=False
    )
