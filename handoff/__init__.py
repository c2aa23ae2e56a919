"""The hand-over from bot to people: tickets, routing, the desk, and the accounts of those who sit at it."""
