"""Toy cars: a procedural family of cars, the truth about it, and the fit of a field to it."""
