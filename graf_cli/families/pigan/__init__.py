"""π-GAN (Chan et al., CVPR 2021): sine networks whose frequencies and phases a code sets."""
