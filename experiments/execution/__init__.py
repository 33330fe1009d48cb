"""Execution: the pieces of a comparison, their course, and who does them, here or on Ray.

parts.py      a part: one agent, one seed; its pieces, and what a worker does for each
course.py     which pieces can be done now, and what is left
jobs.py       workers of this machine, who may be lost
ray_jobs.py   tasks of a cluster, likewise
"""
