"""The supervisor as a process: its settings, its own databases at the start, what its libraries log, and the threads."""
