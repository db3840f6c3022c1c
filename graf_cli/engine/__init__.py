"""Shots become Frames, on this machine or elsewhere: one call, one contract."""
