"""Danger closes only with outcome and reporting decision; lists of a million tickets; files of saved replies; who writes what"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

GRAVE = "closed_at IS NULL OR (level <> 'RED' AND category <> 'child_abuse')"
OUTCOME = "ck_ticket_closed_with_outcome"
TIME = "ck_ticket_closed_in_time"


def upgrade() -> None:
    # what was closed before the decision was asked for says so
    op.execute(
        "UPDATE ticket SET reported = 'unrecorded' WHERE closed_at IS NOT NULL AND reported IN ('', 'adult_choice')"
        " AND (category = 'child_abuse' OR (level = 'RED' AND reported = ''))"
    )
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_constraint(op.f(OUTCOME), type_="check")
        batch_op.create_check_constraint(
            op.f(OUTCOME),
            GRAVE
            + " OR (outcome <> '' AND reported <> '' AND (category <> 'child_abuse' OR reported <> 'adult_choice'))",
        )
        batch_op.create_check_constraint(op.f(TIME), "(state = 'closed') = (closed_at IS NOT NULL)")
        batch_op.create_index("ix_ticket_staff_id_id", ["staff_id", "id"], unique=False)
        batch_op.create_index("ix_ticket_staff_id_closed_at", ["staff_id", "closed_at"], unique=False)
    with op.batch_alter_table("called", schema=None) as batch_op:
        batch_op.create_index("ix_called_staff_id_answer", ["staff_id", "answer", "ticket_id"], unique=False)
    with op.batch_alter_table("presence", schema=None) as batch_op:
        batch_op.add_column(sa.Column("writing", sa.String(length=5), server_default="", nullable=False))
    op.create_table(
        "saved_file",
        sa.Column("reply_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reply_id"], ["saved_reply.id"], name=op.f("fk_saved_file_reply_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reply_id", name=op.f("pk_saved_file")),
    )


def downgrade() -> None:
    op.drop_table("saved_file")
    with op.batch_alter_table("presence", schema=None) as batch_op:
        batch_op.drop_column("writing")
    with op.batch_alter_table("called", schema=None) as batch_op:
        batch_op.drop_index("ix_called_staff_id_answer")
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_staff_id_closed_at")
        batch_op.drop_index("ix_ticket_staff_id_id")
        batch_op.drop_constraint(op.f(TIME), type_="check")
        batch_op.drop_constraint(op.f(OUTCOME), type_="check")
        batch_op.create_check_constraint(
            op.f(OUTCOME), GRAVE + " OR (outcome <> '' AND (category <> 'child_abuse' OR reported <> ''))"
        )
