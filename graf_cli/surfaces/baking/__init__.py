"""A scene becomes a volume of bytes that a browser marches: densities, and colours that move."""
