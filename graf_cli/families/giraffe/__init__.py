"""GIRAFFE: objects, each in a box of its own, and a background (Niemeyer, Geiger 2021)."""
