"""Mutation tests: mutmut changes the code of order path, limits, positions and recovery; their own tests must notice.

`python -m tests.mutants [ROOM...]`, as `make test-mutants` does; rooms.toml has the rooms, survivors.toml what may survive.
"""
