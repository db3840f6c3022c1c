// The command line that renders a view: the same numbers, so the same picture, exactly.

const SAFE = /^[A-Za-z0-9_.:/=,@%+-]+$/;

// A word as POSIX shells read it.
export const quoted = (word) => (SAFE.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

// `words` are those of the object; null where no command line says which one it is.
export function commandOf(words, view, width, height, background) {
  if (!words) return null;
  const number = (value) => String(Object.is(value, -0) ? 0 : value);
  return [
    ...words,
    "--azimuth", number(view.azimuth), "--elevation", number(view.elevation),
    "--radius", number(view.radius), "--fov", number(view.fov),
    "--size", `${width}x${height}`, "--background", background, "--out", "view.png",
  ].map(quoted).join(" ");
}
