"""Releases: what is put in place on a host, the transaction that does it there, and the way back."""
