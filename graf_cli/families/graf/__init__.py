"""GRAF: a conditional radiance field of a shape and an appearance code (NeurIPS 2020)."""
