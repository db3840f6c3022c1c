"""EG3D (Chan et al., CVPR 2022): feature planes made by a 2-D network, marched, then enlarged."""
