"""Appointments: the time a person confirmed, the place, who decided, what told her"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("starts_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("place_sealed", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("staff_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("entry_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("changed_at", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.create_index("ix_appointment_status_changed_at", ["status", "changed_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.drop_index("ix_appointment_status_changed_at")
        batch_op.drop_column("changed_at")
        batch_op.drop_column("entry_id")
        batch_op.drop_column("staff_id")
        batch_op.drop_column("place_sealed")
        batch_op.drop_column("starts_at")
