"""The supervisor's database: what was read, how far, and what it counts."""
