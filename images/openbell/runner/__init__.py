"""The runner: one loop a strategy, which runs every due slot once, on time, or accounts for it."""
