"""Sweeps over settings of agents and worlds: `longplay sweep`, here in processes or on Ray."""
