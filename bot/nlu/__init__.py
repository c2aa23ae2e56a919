"""Understanding: a woman's text becomes a `Reading`. Pure: no clock, network, database or randomness in here."""
