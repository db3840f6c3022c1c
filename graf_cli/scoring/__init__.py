"""How good a generator is, in numbers that one command measures."""
