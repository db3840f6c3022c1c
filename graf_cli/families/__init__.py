"""Families of generators, one folder each; nobody imports a family but `graf_cli.model`."""
