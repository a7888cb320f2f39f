"""PostgreSQL in place of the files in the state and journal folders, for functions that have no folder of their own."""
