"""The pages counsellors sit at. They show and ask; what happens is decided in handoff.tickets and handoff.deeds."""

from handoff.desk import appointments, board, files, marks, replies, search, talk, team, urgent
from handoff.desk.room import pages

__all__ = ["appointments", "board", "files", "marks", "pages", "replies", "search", "talk", "team", "urgent"]
