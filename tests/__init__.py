"""The tests: unit mirrors the code, engine runs real containers, bench measures."""
