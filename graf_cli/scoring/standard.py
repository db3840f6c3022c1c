"""Where the network's weights are that Fréchet distances are usually measured with."""

from __future__ import annotations

from graf_cli.weights.download import Source

NAME = "inception"  # as `graf download` takes it, beside the models of a manifest

_FILE = "pt_inception-2015-12-05-6726825d.pth"

# TensorFlow's weights of December 2015 as pytorch-fid converts them, 95,628,359 bytes. Their makers
# publish no more of a digest than the name has; the whole one is what several programs on GitHub
# that use the file pin it by, and begins with the same digits.
WEIGHTS = Source(
    url=f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{_FILE}",
    filename=_FILE,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
