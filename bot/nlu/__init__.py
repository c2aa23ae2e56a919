"""Understanding: a woman's text becomes a `Reading`. Pure: no clock, network, database or randomness in here."""

from bot.nlu.acts import Acts
from bot.nlu.acts import load as load_acts
from bot.nlu.communes import Row
from bot.nlu.entities import entities, named
from bot.nlu.match import Matcher
from bot.nlu.normalise import Normalised, Words, normalise
from bot.nlu.outside import load_out_of_scope
from bot.nlu.places import Places, Spot, homes, load_places
from bot.nlu.words import load as load_words

__all__ = [
    "Acts",
    "Matcher",
    "Normalised",
    "Places",
    "Row",
    "Spot",
    "Words",
    "entities",
    "homes",
    "load_acts",
    "load_out_of_scope",
    "load_places",
    "load_words",
    "named",
    "normalise",
]
