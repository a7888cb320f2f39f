"""What `make check` finds in strategies beyond their manifests."""
