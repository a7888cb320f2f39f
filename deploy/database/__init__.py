"""PostgreSQL: as a service of this kit, and what moves into it."""
