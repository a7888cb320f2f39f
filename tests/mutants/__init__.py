"""Mutation tests: mutmut changes what decides about slots, money and health; the modules' own tests must notice.

`python -m tests.mutants [ROOM...]`, as `make test-mutants` does; rooms.toml has the rooms, survivors.toml what may survive.
"""
