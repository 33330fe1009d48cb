"""References of a world: what chance, one rule, greed and foresight reach, kept with the world."""
