"""Several hosts: loops in processes of their own that share one PostgreSQL."""
