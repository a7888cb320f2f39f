"""Faults on purpose: kill -9 in every window of real containers, and the count of what was lost or doubled."""
