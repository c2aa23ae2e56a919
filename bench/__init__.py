"""Measurements of the whole and of its parts: `make bench`, or `python -m bench NAME…`. Prints; asserts nothing."""
