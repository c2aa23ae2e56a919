"""What people may say and what is true: articles, offices, numbers and provinces, read, checked and told.

Pure but for reading and writing the plain files of `knowledge/`: no clock, network, database or randomness. Staff may
change every word here without a programmer, and no word reaches a woman that its reviewers did not approve.
"""

from bot.knowledge.articles import Article, Case, Citation, Escalate, Review, Variants, write_article
from bot.knowledge.checking import check, check_article, judge, read_style
from bot.knowledge.loading import Knowledge, Shelf, examples, load, read, shorts, titles
from bot.knowledge.places import Contact, Office, Province, Referral
from bot.knowledge.render import Rendered, render, render_case, render_part

__all__ = [
    "Article",
    "Case",
    "Citation",
    "Contact",
    "Escalate",
    "Knowledge",
    "Office",
    "Province",
    "Referral",
    "Rendered",
    "Review",
    "Shelf",
    "Variants",
    "check",
    "check_article",
    "examples",
    "judge",
    "load",
    "read",
    "read_style",
    "render",
    "render_case",
    "render_part",
    "shorts",
    "titles",
    "write_article",
]
