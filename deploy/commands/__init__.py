"""The commands of `python -m deploy` that stand beside no other code of theirs. Only `deploy.__main__` loads them, by name."""
