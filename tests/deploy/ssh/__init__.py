"""Connections to a real sshd."""
