"""Shapes become files of other programs: one module a format, with a `write`."""
