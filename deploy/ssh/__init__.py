"""One SSH connection to a host, and what ssh's errors mean."""
