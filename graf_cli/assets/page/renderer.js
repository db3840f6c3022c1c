// A baked volume marched by a fragment shader, at the depths at which the model itself is sampled.

import { SKIP } from "./volume.js";
import { cameraFor } from "./camera.js";

const VERTEX = `#version 300 es
void main() {
  // One triangle that covers the picture.
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler3D;
precision highp usampler3D;

uniform sampler3D density, mean, tint;
uniform usampler3D skip;
uniform sampler2D maps;
uniform vec3 low, size, eye, background;
uniform mat3 pose;
uniform vec4 lens;
uniform vec2 bounds, picture;
uniform float near, far, radiusMax, cell, shift, middle, stride, opaque;
uniform int samples, rank, side, counted, parallel, alongRay, softplus, disparity, infinite, lastBack, own;
out vec4 colour;

const float LITTLE = 1.0 / 1024.0;  // of opacity, whose colour is not looked up
const float CLEAR = 1.0 / 512.0;  // transmittance at which a ray ends

vec3 axes[3];  // what a level of each coefficient adds, along this ray

vec3 mapped(int k, vec2 at) {
  ivec2 i = ivec2(floor(at));
  vec2 f = at - vec2(i);
  ivec2 origin = ivec2(k * (side + 2), 0) + i;
  vec3 a = mix(texelFetch(maps, origin, 0).rgb, texelFetch(maps, origin + ivec2(1, 0), 0).rgb, f.x);
  vec3 b = mix(texelFetch(maps, origin + ivec2(0, 1), 0).rgb,
               texelFetch(maps, origin + ivec2(1, 1), 0).rgb, f.x);
  return mix(a, b, f.y);
}

void look(vec3 direction) {
  vec3 d = direction / (abs(direction.x) + abs(direction.y) + abs(direction.z));
  vec2 folded = (1.0 - abs(d.yx)) * vec2(d.x < 0.0 ? -1.0 : 1.0, d.y < 0.0 ? -1.0 : 1.0);
  // Texels of a border stand around the map.
  vec2 at = ((d.z < 0.0 ? folded : d.xy) * 0.5 + 0.5) * float(side) + 0.5;
  for (int k = 0; k < 3; k++) axes[k] = k < rank ? mapped(k, at) : vec3(0.0);
}

float sigma(vec3 u) {
  float raw = mix(bounds.x, bounds.y, texture(density, u).r);
  if (softplus == 0) return max(raw, 0.0);
  raw -= shift;
  return raw > 20.0 ? raw : log(1.0 + exp(raw));
}

vec3 shade(vec3 u) {
  vec3 c = texture(mean, u).rgb;
  if (rank > 0) {
    vec3 level = texture(tint, u).rgb * 255.0 - middle;
    c += level.x * axes[0] + level.y * axes[1] + level.z * axes[2];
  }
  return clamp(c, 0.0, 1.0);
}

void main() {
  vec2 ij = vec2(gl_FragCoord.x - 0.5, picture.y - gl_FragCoord.y - 0.5);
  vec3 o = eye, d = -pose[2];
  if (parallel == 1) {
    float step = (far - near) / picture.x;
    vec2 offset = (ij - 0.5 * picture) * step * vec2(1.0, -picture.x / picture.y);
    o += pose * vec3(offset, 0.0);
  } else {
    vec3 local = vec3((ij.x - lens.z) / lens.x, -(ij.y - lens.w) / lens.y, -1.0);
    d = pose * (alongRay == 1 ? normalize(local) : local);
  }
  float scale = length(d), z0 = near, z1 = far;
  if (radiusMax >= 0.0) { z0 += length(o) - radiusMax; z1 += length(o) - radiusMax; }
  vec3 a = (low - o) / d, b = (low + size - o) / d;
  vec3 first = min(a, b), last = max(a, b);
  float enter = max(max(first.x, first.y), first.z), leave = min(min(last.x, last.y), last.z);
  colour = vec4(background * opaque, opaque);
  if (max(enter, z0) > min(leave, z1)) return;
  vec3 seen = vec3(0.0);
  float clear = 1.0;
  look(d / scale);
  vec3 place = (o - low) / size, way = d / size, cells = vec3(textureSize(skip, 0));
  vec3 counts = vec3(textureSize(density, 0)) / float(${SKIP});
  if (own == 0) {
    // As finely as the volume is, where the model itself chooses where to look.
    float z = max(enter, z0), end = min(leave, z1), step = stride / scale;
    z += 0.5 * step;
    for (int n = 0; n < 4096; n++) {
      if (z >= end || clear < CLEAR) break;
      vec3 u = place + way * z;
      uint away = texelFetch(skip, ivec3(clamp(u * counts, vec3(0.0), cells - 1.0)), 0).r;
      if (away > 0u) { z += step * (1.0 + floor(float(away - 1u) * cell / stride)); continue; }
      float alpha = 1.0 - exp(-sigma(u) * stride);
      if (alpha > LITTLE) seen += clear * alpha * shade(u);
      clear *= 1.0 - alpha;
      z += step;
    }
    if (lastBack == 1 || (infinite == 1 && leave >= z1)) {
      vec3 u = place + way * z1;
      if (all(greaterThanEqual(u, vec3(0.0))) && all(lessThanEqual(u, vec3(1.0)))) {
        if (lastBack == 1 || sigma(u) > 0.0) { seen += clear * shade(u); clear = 0.0; }
      }
    }
  } else {
    float most = float(max(samples - 1, 1));
    float step = (z1 - z0) / most;
    float k = 0.0, end = float(samples - 1);
    if (disparity == 0) {
      k = max(ceil((enter - z0) / step), 0.0);
      end = min(floor((leave - z0) / step), end);
    }
    for (int n = 0; n < 4096; n++) {
      if (k > end || clear < CLEAR) break;
      float t = k / most, after = (k + 1.0) / most, z = mix(z0, z1, t), delta = step;
      if (disparity == 1) {
        z = 1.0 / mix(1.0 / z0, 1.0 / z1, t);
        delta = 1.0 / mix(1.0 / z0, 1.0 / z1, after) - z;
      }
      vec3 u = place + way * z;
      if (any(lessThan(u, vec3(0.0))) || any(greaterThan(u, vec3(1.0)))) { k += 1.0; continue; }
      uint away = texelFetch(skip, ivec3(clamp(u * counts, vec3(0.0), cells - 1.0)), 0).r;
      if (away > 0u) {
        k += 1.0 + (disparity == 1 ? 0.0 : floor(float(away - 1u) * cell / (delta * scale)));
        continue;
      }
      float s = sigma(u);
      float alpha = k < most ? 1.0 - exp(-s * delta * scale) : (infinite == 1 && s > 0.0 ? 1.0 : 0.0);
      if (k >= most && lastBack == 1) alpha = 1.0;
      if (alpha > LITTLE) seen += clear * alpha * shade(u);
      clear *= 1.0 - alpha;
      k += 1.0;
    }
  }
  if (clear < CLEAR) { seen /= 1.0 - clear; clear = 0.0; }
  float cover = max(1.0 - clear, opaque);
  colour = vec4(seen + clear * opaque * background, cover);
}`;

export class MissingError extends Error {}

export class Renderer {
  constructor(canvas, volume) {
    const gl = canvas.getContext("webgl2", {
      antialias: false, depth: false, preserveDrawingBuffer: false, premultipliedAlpha: true,
    });
    if (!gl) throw new MissingError("WebGL2");
    this.gl = gl;
    this.canvas = canvas;
    this.about = volume.about;
    this.program = program(gl);
    this.at = {};
    const count = gl.getProgramParameter(this.program, gl.ACTIVE_UNIFORMS);
    for (let k = 0; k < count; k++) {
      const { name } = gl.getActiveUniform(this.program, k);
      this.at[name] = gl.getUniformLocation(this.program, name);
    }
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const { counts } = volume.about;
    this.textures = {
      density: solid(gl, 0, counts, gl.R8, gl.RED, volume.density, gl.LINEAR),
      mean: solid(gl, 1, counts, gl.RGBA8, gl.RGBA, volume.mean, gl.LINEAR),
      tint: volume.about.rank
        ? solid(gl, 2, counts, gl.RGBA8, gl.RGBA, volume.tint, gl.LINEAR)
        : solid(gl, 2, [1, 1, 1], gl.RGBA8, gl.RGBA, new Uint8Array(4), gl.LINEAR),
      skip: solid(
        gl, 3, volume.skip.counts, gl.R8UI, gl.RED_INTEGER, volume.skip.far, gl.NEAREST,
      ),
      maps: bordered(gl, 4, volume),
    };
    this.constants();
  }

  // What is the same for all views.
  constants() {
    const { gl, at, about } = this;
    const { optics } = about;
    gl.useProgram(this.program);
    ["density", "mean", "tint", "skip", "maps"].forEach((name, k) => gl.uniform1i(at[name], k));
    gl.uniform3fv(at.low, about.low);
    gl.uniform3fv(at.size, about.counts.map((n) => n * about.pitch));
    gl.uniform2fv(at.bounds, about.bounds);
    gl.uniform1f(at.cell, SKIP * about.pitch);
    gl.uniform1f(at.stride, about.stride);
    gl.uniform1f(at.middle, Math.floor(about.levels / 2));
    gl.uniform1i(at.rank, about.rank);
    gl.uniform1i(at.side, about.side);
    gl.uniform1i(at.samples, optics.samples);
    gl.uniform1i(at.own, optics.own ? 1 : 0);
    gl.uniform1i(at.parallel, optics.orthographic ? 1 : 0);
    gl.uniform1i(at.alongRay, optics.depths === "ray" ? 1 : 0);
    gl.uniform1i(at.softplus, optics.activation === "relu" ? 0 : 1);
    gl.uniform1f(at.shift, optics.activation === "softplus-1" ? 1 : 0);
    gl.uniform1i(at.disparity, optics.spacing === "disparity" ? 1 : 0);
    gl.uniform1i(at.infinite, optics.infinite ? 1 : 0);
    gl.uniform1i(at.lastBack, optics.lastBack ? 1 : 0);
  }

  // Draw a view into what is bound. A background of null leaves it clear.
  draw(view, width, height, background) {
    const { gl, at } = this;
    const camera = cameraFor(this.about.optics, view, width, height);
    gl.viewport(0, 0, width, height);
    gl.useProgram(this.program);
    gl.uniform3fv(at.eye, camera.eye);
    gl.uniformMatrix3fv(at.pose, false, [...camera.x, ...camera.y, ...camera.z]);
    gl.uniform4fv(at.lens, camera.lens);
    gl.uniform2f(at.picture, width, height);
    gl.uniform1f(at.near, camera.near);
    gl.uniform1f(at.far, camera.far);
    gl.uniform1f(at.radiusMax, camera.radiusMax);
    gl.uniform3fv(at.background, background || [0, 0, 0]);
    gl.uniform1f(at.opaque, background ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // The canvas at so many pixels.
  show(view, width, height, background) {
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.gl.bindFramebuffer(this.gl.FRAMEBUFFER, null);
    this.draw(view, width, height, background);
  }

  // Colours of a view, row by row from the top, as ImageData.
  pixels(view, width, height, background) {
    const { gl } = this;
    const target = gl.createTexture();
    gl.activeTexture(gl.TEXTURE7);
    gl.bindTexture(gl.TEXTURE_2D, target);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    const buffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
    this.draw(view, width, height, background);
    const bottomUp = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bottomUp);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.deleteFramebuffer(buffer);
    gl.deleteTexture(target);
    const image = new ImageData(width, height);
    for (let row = 0; row < height; row++) {
      const from = bottomUp.subarray(4 * width * (height - 1 - row), 4 * width * (height - row));
      image.data.set(from, 4 * width * row);
    }
    if (!background) straight(image.data);
    return image;
  }
}

// Colours that are multiplied by opacity, as they are without.
function straight(data) {
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3];
    if (alpha === 0 || alpha === 255) continue;
    for (let c = 0; c < 3; c++) data[i + c] = Math.min(255, (data[i + c] * 255) / alpha);
  }
}

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) {
    const told = gl.getAttachedShaders(made).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error([gl.getProgramInfoLog(made), ...told].join("\n"));
  }
  return made;
}

function solid(gl, unit, [x, y, z], internal, format, data, filter) {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_3D, texture);
  gl.texStorage3D(gl.TEXTURE_3D, 1, internal, x, y, z);
  gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, 0, x, y, z, format, gl.UNSIGNED_BYTE, data);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
    gl.texParameteri(gl.TEXTURE_3D, name, filter);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R])
    gl.texParameteri(gl.TEXTURE_3D, name, gl.CLAMP_TO_EDGE);
  return texture;
}

// Octahedral maps beside each other, each with a border: over an edge of the map the sphere goes
// on where the edge is folded, which is the same edge from its other end.
function bordered(gl, unit, { about: { rank, side }, maps }) {
  const wide = side + 2;
  const width = Math.max(rank, 1) * wide;
  const data = new Float32Array(4 * width * wide);
  const folded = (i, j) => {
    const outside = (k) => k < 0 || k >= side;
    const inside = (k) => Math.min(Math.max(k, 0), side - 1);
    const [u, v] = [inside(i), inside(j)];
    return [outside(j) ? side - 1 - u : u, outside(i) ? side - 1 - v : v];
  };
  for (let k = 0; k < rank; k++)
    for (let j = -1; j <= side; j++)
      for (let i = -1; i <= side; i++) {
        const [u, v] = folded(i, j);
        const from = ((k * side + v) * side + u) * 3;
        data.set(maps.subarray(from, from + 3), 4 * ((j + 1) * width + k * wide + i + 1));
      }
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, wide);
  gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, wide, gl.RGBA, gl.FLOAT, data);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
    gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  return texture;
}
