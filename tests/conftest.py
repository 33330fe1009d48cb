"""What all tests share: quiet threads, no windows, and property tests that repeat themselves."""

import os

# Before NumPy, numba and torch are imported: xdist already uses every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import HealthCheck, settings

# No deadline and no "too slow": the first example may compile a kernel, and no test asserts time.
settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore",  # HYPOTHESIS_PROFILE=explore make test: new examples at every run
    parent=settings.get_profile("repeatable"),
    derandomize=False,
    max_examples=1000,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
