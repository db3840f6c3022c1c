"""The fast path: the plain marcher's picture without the work that does not show in it.

`fold` turns what is constant within one object into biases, `grid` knows where an object may be,
`march` walks rays through what is left, `proof` holds the result against the plain marcher.
"""
