"""Images brought to stand-in servers, whatever happens on the way."""
