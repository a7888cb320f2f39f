"""Reads the journals, turns lines into records and gives each slot its outcome."""
