"""Published field experiments, reproduced in simulation: ``longplay facts``.

One file a fact, found by its name ``fNN_....py``: see fact.py for what it holds.
"""
