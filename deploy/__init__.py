"""The host's side of openbell: sets up, starts and shows what runs in containers. Never inside an image."""
