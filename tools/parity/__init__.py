"""Whole pictures held against those of the authors' own code, family by family."""
