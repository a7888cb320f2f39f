"""An installation's data: kept in backups, and read as tables."""
