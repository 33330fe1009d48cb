"""Worlds of people who come back, or do not. Importing this registers the environments."""

import gymnasium as gym

for _task in ("AdLoad", "Feed"):
    gym.register(
        id=f"longplay/{_task}-v0",
        entry_point=f"longplay.envs.session:{_task}",
        vector_entry_point=f"longplay.envs.cohort:{_task.lower()}",
    )
for _file, _world in (
    ("tiny", "Tiny"),
    ("chockale", "ChocKale"),
    ("interest", "InterestEvolution"),
):
    gym.register(
        id=f"longplay/{_world}-v0",
        entry_point=f"longplay.envs.reference.{_file}:{_world}",
        vector_entry_point=f"longplay.envs.reference.{_file}:{_world}Cohort",
    )
