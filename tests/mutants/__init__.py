"""Mutation tests: mutmut changes the code that decides about slots, money and health, and a module's own tests must notice.

`python -m tests.mutants [ROOM...]`, as `make test-mutants` does; rooms.toml has the rooms, survivors.toml what may survive.
"""
