"""Trained under one world, tested under another: what it costs to believe the wrong thing."""
