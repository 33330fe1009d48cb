"""Worlds beside real logs: figures of a play log, how near a scenario comes, and the fit."""
