"""The reader of each schema."""
