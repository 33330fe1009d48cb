"""`python -m longplay.experiments.bench.peers`."""

import sys

from longplay.experiments.bench.peers import main

sys.exit(main())
