"""``python -m longplay.experiments``: the same as ``longplay``."""

import sys

from longplay.experiments.cli import main

if __name__ == "__main__":
    sys.exit(main())
