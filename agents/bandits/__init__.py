"""Bandits: policies that learn from the immediate reward of one decision."""
