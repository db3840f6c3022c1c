"""A Shot becomes a Frame."""
