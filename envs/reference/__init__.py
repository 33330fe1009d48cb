"""Reference worlds with known answers, to test learners on: Tiny, ChocKale, InterestEvolution."""
