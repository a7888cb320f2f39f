"""Functions of clouds: the providers' own runtimes, against a real PostgreSQL."""
