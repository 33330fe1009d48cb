"""`python -m longplay.experiments.bench.scale`."""

from longplay.experiments.bench.scale import main

main()
