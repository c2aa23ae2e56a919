"""The pages of the content staff: they show what may be said and ask for deeds; `bot.knowledge` decides."""

from handoff.content import board, expertise, flows, judging, missed, trying, writing
from handoff.content.room import pages

__all__ = ["board", "expertise", "flows", "judging", "missed", "pages", "trying", "writing"]
