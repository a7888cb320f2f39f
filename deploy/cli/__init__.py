"""The host's command line: its arguments, and the commands for what runs."""
