"""Deployments over real ssh to real engines, which are containers."""
