"""Replaces this version of the kit by another one, and returns to it."""
