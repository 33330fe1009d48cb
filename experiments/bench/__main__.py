"""`python -m longplay.experiments.bench`."""

from longplay.experiments.bench import main

main()
