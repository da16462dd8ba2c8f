"""One module a command. Each takes parsed arguments and returns the exit code."""
