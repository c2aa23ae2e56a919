"""Abilities that touch the world, as rasa_sdk Actions: run in-process for our flows, or asked for by a Rasa server.

No action here knows who the person is: it sees slots and the time, never a platform id.
"""

from bot.actions.house import house
from bot.actions.remote import Remote
from bot.actions.run import ActionFailed, Inside, Runner, domain, serve, settle

__all__ = ["ActionFailed", "Inside", "Remote", "Runner", "domain", "house", "serve", "settle"]
