"""One module per thing that happens to an invocation; each function is one or a few rows of the transition table."""
