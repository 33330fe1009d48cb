"""Policies: fixed rules, bandits, reinforcement learning and privileged references."""
