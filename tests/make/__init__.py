"""The targets of the Makefile, called as a person calls them."""
