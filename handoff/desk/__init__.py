"""The pages counsellors sit at. They show and ask; what happens is decided in handoff.tickets and handoff.deeds."""

from handoff.desk import appointments, board, files, finds, talk, team
from handoff.desk.room import pages

__all__ = ["appointments", "board", "files", "finds", "pages", "talk", "team"]
