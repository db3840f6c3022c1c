// Where a view is seen from: the same numbers mean the same picture as on the command line.
//
// The world's z axis points up. A camera's axes follow OpenGL: x right, y up, looking along −z.

const PARALLEL = 1e-9; // sine of the angle to "up" below which a camera looks along it

const radians = (degrees) => (degrees * Math.PI) / 180;
const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
const norm = (a) => Math.hypot(...a);
const scaled = (a, s) => a.map((x) => x * s);

// Axes of the camera in the world, and where it stands.
export function poseOnSphere(azimuth, elevation, radius, pivot) {
  const phi = radians(azimuth);
  const theta = radians(90 - elevation);
  let z = [Math.sin(theta) * Math.cos(phi), Math.sin(theta) * Math.sin(phi), Math.cos(theta)];
  let x = [-Math.sin(phi), Math.cos(phi), 0];
  const eye = scaled(z, radius);
  if (pivot.some((value) => value !== 0)) {
    const away = eye.map((value, k) => value - pivot[k]);
    z = scaled(away, 1 / norm(away));
    const across = cross([0, 0, 1], z);
    if (norm(across) > PARALLEL) x = scaled(across, 1 / norm(across));
  }
  return { x, y: cross(z, x), z, eye };
}

// Focal length in pixels of a field of view across so many of them, degrees.
const focal = (width, fov) => width / 2 / Math.tan(radians(fov) / 2);

// What the shader has to know of a view of `width` × `height` pixels.
export function cameraFor(optics, view, width, height) {
  const pose = poseOnSphere(view.azimuth, view.elevation, view.radius, optics.pivot);
  const high = optics.radius[1];
  const varies = optics.radius[0] !== high;
  const off = !varies && Math.abs(view.radius - high) > optics.steady * high;
  const shift = off ? view.radius - high : 0;
  const near = optics.near + shift;
  const across = optics.pixels === "corner" ? Math.max(width - 1, 1) : width;
  const half = optics.pixels === "integer" ? 0 : 0.5;
  const f = focal(across, view.fov);
  return {
    ...pose,
    lens: [f, f, width / 2 - half, height / 2 - half],
    near: varies || optics.orthographic ? near : Math.max(near, 0),
    far: optics.far + shift,
    radiusMax: varies ? high : -1,
  };
}

// The field of view across a window so that the square in its middle has the given one.
export function fovAcross(fov, width, height) {
  const widened = Math.tan(radians(fov) / 2) * (width / Math.min(width, height));
  return (2 * Math.atan(widened) * 180) / Math.PI;
}
