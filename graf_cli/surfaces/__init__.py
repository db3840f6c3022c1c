"""A Scene becomes a shape that other programs open: a mesh, splats, points, a grid of densities."""
