"""Measures a deploy's bytes and seconds beside the other ways to bring images to a server without a public registry."""
