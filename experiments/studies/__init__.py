"""Studies: one question, one command, one page each."""
