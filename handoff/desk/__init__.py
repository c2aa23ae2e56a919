"""The pages counsellors sit at. They show and ask; what happens is decided in handoff.tickets and handoff.deeds."""
