"""OSSO's first-contact counselling: channels in, understanding and dialogue in the middle, an outbox out."""
