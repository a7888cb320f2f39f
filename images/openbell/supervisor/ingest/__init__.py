"""Reads the journals and binds each line to its slot."""
