"""The face: parses, calls, prints."""
