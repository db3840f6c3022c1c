"""What a file says of itself, and what is read of it."""
