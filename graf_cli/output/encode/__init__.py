"""Frames become the bytes of one format each; one module a format, and a codec nowhere else."""
