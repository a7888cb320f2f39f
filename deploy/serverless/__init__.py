"""Folders that providers of functions can deploy: what is in them, and whether it fits."""
