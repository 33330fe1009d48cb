"""Populations: evaluations over shards of users, whose sums are the same in any order.

exact    sums of numbers that do not depend on the order, or on who added what
sketch   quantiles of many numbers, from counts in buckets
crowd    what became of more users than a table can hold: sums over groups of them
shards   the work on a run of users, and the course of all parts of a comparison
"""
