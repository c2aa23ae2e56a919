"""What people may say and what is true: articles, offices, numbers and provinces, read, checked and told.

Pure but for reading and writing the plain files of `knowledge/`: no clock, network, database or randomness. Staff may
change every word here without a programmer, and no word reaches a woman that its reviewers did not approve.
"""

from bot.knowledge.articles import Article, Case, Citation, Escalate, Review, Variants
from bot.knowledge.checking import check, check_article, judge, read_style
from bot.knowledge.governance import Approval, Approvals, Editor, approved, may_publish, may_review
from bot.knowledge.library import Held, Library
from bot.knowledge.loading import Knowledge, Shelf, examples, load, read, shorts, titles
from bot.knowledge.places import Contact, Office, OldOffice, Province, Referral, home_for, office_for
from bot.knowledge.render import Rendered, render, render_case, render_part
from bot.knowledge.writing import fingerprint, save, save_all, to_data, write_article

__all__ = [
    "Approval",
    "Approvals",
    "Article",
    "Case",
    "Citation",
    "Contact",
    "Editor",
    "Escalate",
    "Held",
    "Knowledge",
    "Library",
    "Office",
    "OldOffice",
    "Province",
    "Referral",
    "Rendered",
    "Review",
    "Shelf",
    "Variants",
    "approved",
    "check",
    "check_article",
    "examples",
    "fingerprint",
    "home_for",
    "judge",
    "load",
    "may_publish",
    "may_review",
    "office_for",
    "read",
    "read_style",
    "render",
    "render_case",
    "render_part",
    "save",
    "save_all",
    "shorts",
    "titles",
    "to_data",
    "write_article",
]
