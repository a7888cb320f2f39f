"""Brings images to a host over its connection: only the layers that it lacks, packed once, and checked when they are there."""
