"""The safety screen: text in, danger out, before anything else is done with a message.

Pure: values in, values out. A fault of the screen itself means CHECK, never silence.
"""

from __future__ import annotations

from bot.safety.screen import Screen, combine

__all__ = ["Screen", "combine"]
