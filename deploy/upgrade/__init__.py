"""Another version of the kit in the place of this one, and back."""
