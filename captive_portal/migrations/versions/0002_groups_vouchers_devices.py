"""Groups and what they may do, the school calendar, vouchers, devices, usage and notices.

Migrations do not import the models: they say what the tables were when they were written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Times are int microseconds since 1970-01-01T00:00:00Z."""
    _groups()
    _roll()
    _rolls()
    _vouchers()
    _devices()
    _teaching()
    _notices()
    op.add_column("session", sa.Column("serial", sa.Integer(), nullable=True))
    op.add_column(
        "session", sa.Column("zone", sa.String(length=63), nullable=False, server_default="")
    )
    op.create_index("ix_session_serial", "session", ["serial"], unique=False)
    op.add_column(
        "session", sa.Column("untold", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_session_untold",
        "session",
        ["end"],
        unique=False,
        sqlite_where=sa.text("untold = 1"),
        postgresql_where=sa.text("untold"),
    )
    op.create_table(
        "signing_nas",
        sa.Column("client", sa.String(length=49), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client", "address", name="pk_signing_nas"),
    )


def _groups() -> None:
    op.create_table(
        "person_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=True),
        sa.Column("at_limit", sa.String(length=16), nullable=False),
        sa.Column("session_minutes", sa.Integer(), nullable=True),
        sa.Column("idle_minutes", sa.Integer(), nullable=True),
        sa.Column("up_kbit", sa.Integer(), nullable=True),
        sa.Column("down_kbit", sa.Integer(), nullable=True),
        sa.Column("quota_day_mb", sa.Integer(), nullable=True),
        sa.Column("quota_month_mb", sa.Integer(), nullable=True),
        sa.Column("quota_day_minutes", sa.Integer(), nullable=True),
        sa.Column("at_quota", sa.String(length=16), nullable=False),
        sa.Column("slow_kbit", sa.Integer(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("remember_days", sa.Integer(), nullable=False),
        sa.Column("roams", sa.Boolean(), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=True),
        sa.Column("ssids", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person_group"),
    )
    op.create_index("uq_person_group_site_name", "person_group", ["site", "name"], unique=True)
    op.create_table(
        "school_day",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", name="pk_school_day"),
    )
    op.create_table(
        "usage",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("bonus_mb", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", "day", name="pk_usage"),
    )


def _roll() -> None:
    with op.batch_alter_table("account") as account:
        account.add_column(sa.Column("person_group", sa.Uuid(), nullable=True))
        for name, length in (
            ("source", 16),
            ("outside_id", 255),
            ("student_code", 32),
            ("id_kind", 16),
            ("id_hash", 64),
            ("grade", 32),
            ("room", 32),
            ("closed_by", 16),
        ):
            account.add_column(
                sa.Column(name, sa.String(length=length), nullable=False, server_default="")
            )
        account.add_column(sa.Column("nt_password", sa.String(length=200), nullable=True))
        account.create_foreign_key(
            "fk_account_person_group", "person_group", ["person_group"], ["id"]
        )
        account.create_index("ix_account_site_source_outside_id", ["site", "source", "outside_id"])
        account.create_index("ix_account_site_student_code", ["site", "student_code"])
        account.create_index("ix_account_site_id_hash", ["site", "id_hash"])


def _rolls() -> None:
    op.create_table(
        "roll_layout",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "fingerprint", name="pk_roll_layout"),
    )
    op.create_table(
        "promotion",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_promotion"),
    )


def _vouchers() -> None:
    op.create_table(
        "voucher",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=False),
        sa.Column("sponsor", sa.Uuid(), nullable=False),
        sa.Column("for_whom", sa.String(length=200), nullable=False),
        sa.Column("person_group", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("first_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("person", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["sponsor"], ["account.id"], name="fk_voucher_sponsor"),
        sa.ForeignKeyConstraint(
            ["person_group"], ["person_group.id"], name="fk_voucher_person_group"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_voucher"),
    )
    op.create_index("uq_voucher_site_code_hash", "voucher", ["site", "code_hash"], unique=True)
    op.create_index("ix_voucher_batch", "voucher", ["batch"], unique=False)


def _devices() -> None:
    op.create_table(
        "device",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.ForeignKeyConstraint(
            ["person"], ["account.id"], name="fk_device_person", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("site", "mac", name="pk_device"),
    )
    op.create_index("ix_device_person", "device", ["person"], unique=False)
    op.create_table(
        "device_certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("mac", sa.String(length=17), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person"], ["account.id"], name="fk_device_certificate_person", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("serial", name="pk_device_certificate"),
    )
    op.create_index("ix_device_certificate_person", "device_certificate", ["person"], unique=False)


def _teaching() -> None:
    op.create_table(
        "teaching",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("grade", sa.String(length=32), nullable=False),
        sa.Column("room", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["account.id"], name="fk_teaching_person", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person", "grade", "room", name="pk_teaching"),
    )


def _notices() -> None:
    op.create_table(
        "notice",
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("text_th", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_notice"),
    )
    op.create_table(
        "acknowledgement",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["account.id"], name="fk_acknowledgement_person", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person", "version", name="pk_acknowledgement"),
    )
