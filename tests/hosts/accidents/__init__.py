"""Three stand-in hosts with engines of their own, a PostgreSQL with a standby behind a pooler, a broker, and accidents."""
