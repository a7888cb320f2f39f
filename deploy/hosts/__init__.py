"""Servers: what hosts.toml says of them, what they have, and what a deploy requires."""
