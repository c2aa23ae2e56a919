"""The dialogue engine: what she wrote and what the bot remembers go in, replies and effects come out.

Pure: no clock, no network, no database, no randomness; her words never raise.
"""

from bot.engine.book import REQUIRED, Book, then
from bot.engine.turns import failed, resume, take_turn
from bot.state import state_from_json, state_to_json

__all__ = ["REQUIRED", "Book", "failed", "resume", "state_from_json", "state_to_json", "take_turn", "then"]
