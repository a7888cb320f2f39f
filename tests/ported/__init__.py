"""Strategies as people write them, as images: a year of each in real containers that are killed."""
