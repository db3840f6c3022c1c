// A baked volume: from the bytes of a page to the arrays that textures are made of.
//
// The bytes are planes one after another, gzip'ed. A volume has points x, y, z; x runs fastest.
// `kind` says of each point whether it is empty (0), has colours (1), or is solid and never seen
// (2). The planes of points with colours hold differences from what their neighbours before them
// (x − 1, y − 1, z − 1) say, so that they are small numbers, modulo 256.

export const SKIP = 4; // points along a side of the cells that empty space is skipped by
const FARTHEST = 255; // cells

export async function inflate(text) {
  const binary = atob(text);
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// What `about` says of the volume, and its arrays.
export function unpack(bytes, about) {
  const [nx, ny, nz] = about.counts;
  const count = nx * ny * nz;
  const plane = nx * ny;
  const kind = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const before = i >= nx ? kind[i - nx] : 0;
    kind[i] = (bytes[i] + before) % 3;
  }
  const shown = about.shown;
  const planes = Array.from({ length: 4 + about.rank }, (_, p) =>
    bytes.subarray(count + p * shown, count + (p + 1) * shown),
  );
  const density = new Uint8Array(count);
  const mean = new Uint8Array(4 * count);
  const tint = new Uint8Array(4 * count);
  for (let i = 0; i < count; i++) if (kind[i] === 2) density[i] = 255;
  const offsets = [1, nx, plane];
  const targets = [[density, 1, 0], [mean, 4, 0], [mean, 4, 1], [mean, 4, 2]];
  for (let k = 0; k < about.rank; k++) targets.push([tint, 4, k]);
  const near = new Int32Array(3);
  let next = 0;
  for (let i = 0; i < count; i++) {
    if (kind[i] !== 1) continue;
    let found = 0;
    const x = i % nx;
    const y = Math.floor(i / nx) % ny;
    if (x > 0 && kind[i - 1] === 1) near[found++] = i - 1;
    if (y > 0 && kind[i - nx] === 1) near[found++] = i - nx;
    if (i >= plane && kind[i - plane] === 1) near[found++] = i - plane;
    for (let p = 0; p < targets.length; p++) {
      const [array, stride, channel] = targets[p];
      let guess = 0;
      for (let k = 0; k < found; k++) guess += array[near[k] * stride + channel];
      if (found > 1) guess = Math.floor(guess / found);
      array[i * stride + channel] = guess + planes[p][next];
    }
    next++;
  }
  const start = count + planes.length * shown;
  const maps = new Float32Array(
    bytes.slice(start, start + about.rank * about.side * about.side * 12).buffer,
  );
  return { about, kind, density, mean, tint, maps, skip: skipped(kind, about.counts) };
}

// For each cell of SKIP³ points how many cells away the next one is in which something may show,
// counted along the axis along which it is farthest; and how many cells there are.
function skipped(kind, [nx, ny, nz]) {
  const counts = [nx, ny, nz].map((n) => Math.ceil(n / SKIP));
  const [cx, cy, cz] = counts;
  const far = new Uint8Array(cx * cy * cz).fill(FARTHEST);
  for (let z = 0, i = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        if (kind[i] === 0) continue;
        // A sample is interpolated between points on either side of it.
        for (let w = Math.max(z - 1, 0); w <= Math.min(z + 1, nz - 1); w++)
          for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, ny - 1); v++)
            for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, nx - 1); u++)
              far[(Math.floor(w / SKIP) * cy + Math.floor(v / SKIP)) * cx + Math.floor(u / SKIP)] = 0;
      }
  // Axis by axis, the distance along all three is the greatest of those along each: first how far
  // along x, then over all y the greater of that and the way there, then over z.
  pass(far, cx, 1, cy * cz, (r) => r * cx);
  pass(far, cy, cx, cx * cz, (r) => Math.floor(r / cx) * cx * cy + (r % cx));
  pass(far, cz, cx * cy, cx * cy, (r) => r);
  return { counts, far };
}

function pass(far, length, stride, rows, start) {
  const row = new Uint8Array(length);
  for (let r = 0; r < rows; r++) {
    const at = start(r);
    for (let k = 0; k < length; k++) row[k] = far[at + k * stride];
    for (let k = 0; k < length; k++) {
      let best = row[k];
      for (let away = 1; away < best; away++) {
        const before = k - away >= 0 ? row[k - away] : FARTHEST;
        const after = k + away < length ? row[k + away] : FARTHEST;
        best = Math.min(best, Math.max(away, Math.min(before, after)));
        if (k - away < 0 && k + away >= length) break;
      }
      far[at + k * stride] = best;
    }
  }
}
