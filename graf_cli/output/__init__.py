"""Frames become files: pictures, sheets, sequences, videos, arrays; the Recipe inside."""
