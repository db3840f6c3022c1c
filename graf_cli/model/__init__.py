"""A name becomes a Generator."""
