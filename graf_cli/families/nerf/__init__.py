"""NeRF: one scene in one network, without codes, as nerf-pytorch trains it (ECCV 2020)."""
