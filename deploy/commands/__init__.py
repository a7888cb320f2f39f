"""The commands of `python -m deploy` whose code has no package of its own. Only `deploy.__main__` loads them, by name."""
