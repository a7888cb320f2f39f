"""A stand-in for a small server: a container with sshd and an engine of its own, which may be killed."""
