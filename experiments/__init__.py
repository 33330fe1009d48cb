"""Experiments: train, evaluate, compare, report."""
