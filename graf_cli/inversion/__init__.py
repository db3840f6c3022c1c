"""Going backwards: the codes and the camera whose picture is closest to a photograph."""
