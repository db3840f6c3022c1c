// What is on the stage: a baked volume or a small frame while something moves, and pictures.

import { unpack } from "../page/volume.js";
import { Renderer } from "../page/renderer.js";
import { fovAcross } from "../page/camera.js";
import { byId } from "./parts.js";

const SLOW = 26; // milliseconds a frame above which fewer pixels are drawn while moving
const QUICK = 18; // below which more are
const BLINK = 500; // milliseconds
const LEAST = 0.2; // of the pixels along a side that a moving view has at least

async function unzipped(data) {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const rgb = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);

export class Screen {
  constructor() {
    this.stage = byId("stage");
    this.live = byId("live");
    this.canvas = byId("picture");
    this.context = this.canvas.getContext("2d");
    this.badge = byId("badge");
    this.shown = null; // what the canvas of pictures has
    this.renderer = null;
    this.subject = null; // of the volume, as a string
    this.share = 0.6; // of the pixels along a side while moving
    this.last = null;
    this.frames = 0; // drawn of volumes
    this.drawn = 0; // pictures
    this.box = null; // of the stage, until it changes: to ask lays the page out
    this.said = null;
  }

  // Pixels of the stage.
  get size() {
    if (!this.box) {
      const box = this.stage.getBoundingClientRect();
      this.box = [box.width, box.height].map((side) => Math.max(Math.round(side), 1));
    }
    return this.box;
  }

  resized() {
    this.box = null;
    this.again();
  }

  tell(text, exact = false, title = "") {
    if (text === this.said) return;
    this.said = text;
    this.badge.classList.toggle("exact", exact);
    this.badge.lastElementChild.textContent = text;
    this.badge.title = title;
  }

  // A picture of any size, as large as fits.
  draw(image, width, height, kind) {
    const [w, h] = this.size;
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    } else this.context.clearRect(0, 0, w, h);
    const times = Math.min(w / width, h / height);
    const [iw, ih] = [width * times, height * times];
    this.context.imageSmoothingEnabled = times < 3 || kind !== "exact";
    this.context.imageSmoothingQuality = kind === "preview" ? "low" : "high"; // quickly
    this.context.drawImage(image, (w - iw) / 2, (h - ih) / 2, iw, ih);
    this.over(true);
    this.shown = { image, width, height, kind };
    this.drawn++;
  }

  // The pictures' canvas lies over that of volumes, and has the mouse even where it is not drawn.
  over(picture) {
    if (this.live.hidden === picture) return;
    this.live.hidden = picture;
    this.canvas.classList.toggle("through", !picture);
  }

  // Whether the program makes a picture of what is seen: the badge blinks, twice in a second. An
  // animation would draw sixty frames of it, on the cores that make the picture.
  waits(so) {
    clearInterval(this.blinking);
    this.badge.classList.toggle("waits", so);
    if (so) this.blinking = setInterval(() => this.badge.classList.toggle("waits"), BLINK);
  }

  again() {
    if (this.shown && this.live.hidden)
      this.draw(this.shown.image, this.shown.width, this.shown.height, this.shown.kind);
  }

  // A small picture of what is seen, for a history.
  small(side = 96) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const from = this.live.hidden ? this.shown && this.shown.image : this.live;
    if (!from) return canvas;
    const [w, h] = this.live.hidden
      ? [this.shown.width, this.shown.height] : [from.width, from.height];
    const cut = Math.min(w, h);
    canvas.getContext("2d")
      .drawImage(from, (w - cut) / 2, (h - cut) / 2, cut, cut, 0, 0, side, side);
    return canvas;
  }

  // volumes

  async take(about, data, subject) {
    const volume = unpack(await unzipped(data), about);
    try {
      const before = this.renderer;
      this.renderer = new Renderer(this.live, volume);
      this.subject = subject;
      if (before) {
        for (const texture of Object.values(before.textures)) before.gl.deleteTexture(texture);
        before.gl.deleteProgram(before.program);
      }
    } catch {
      this.renderer = null; // without WebGL2 small frames do
      this.subject = null;
    }
  }

  // Draw the volume, if it is of this very subject and says what is asked for.
  turned(look, subject, background, share = this.share) {
    if (!this.renderer || this.subject !== subject || look.show[0] !== "rgb" || look.pose)
      return false;
    const [w, h] = this.size;
    const [width, height] = look.size || [w, h];
    const fov = look.size ? look.fov : fovAcross(look.fov, width, height);
    const times = Math.min(w / width, h / height);
    const [iw, ih] = [width, height].map((side) =>
      Math.max(Math.round(side * times * share), 1));
    const view = { ...look, fov };
    this.renderer.show(view, iw, ih, background === "transparent" ? null : rgb(background));
    this.over(false);
    this.frames++;
    this.adapt();
    return true;
  }

  adapt() {
    const now = performance.now();
    const since = this.last === null ? null : now - this.last;
    this.last = now;
    if (since === null || since > 250) return;
    this.mean = this.mean === undefined ? since : 0.8 * this.mean + 0.2 * since;
    if (this.mean > SLOW) this.share *= Math.max(0.7, Math.sqrt(22 / this.mean));
    else if (this.mean < QUICK) this.share *= 1.03;
    this.share = Math.min(Math.max(this.share, LEAST), 1);
  }
}
