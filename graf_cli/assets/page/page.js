// The page: a volume, what moves it, and what is told of it.

import { inflate, unpack } from "./volume.js";
import { Renderer, MissingError } from "./renderer.js";
import { fovAcross } from "./camera.js";
import { Orbit } from "./orbit.js";
import { commandOf } from "./command.js";

const REST = 180; // milliseconds without a change after which a view is drawn sharp
const SLOW = 26; // milliseconds a frame above which fewer pixels are drawn while moving
const QUICK = 18; // below which more are
const LEAST = 0.2; // of the pixels along a side that a moving view has at least
const ROUND = 12; // seconds of a turn of the turntable

const byId = (id) => document.getElementById(id);

function said(text) {
  byId("status").textContent = text;
}

function failed(text) {
  document.body.classList.add("failed");
  const box = byId("problem");
  box.textContent = text;
  box.hidden = false;
}

// '#rrggbb' as numbers in [0, 1]; null of "transparent".
function rgb(colour) {
  if (colour === "transparent") return null;
  return [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);
}

class Page {
  constructor(about, volume) {
    this.about = about;
    this.canvas = byId("view");
    this.renderer = new Renderer(this.canvas, volume);
    this.background = about.background;
    this.share = 1; // of the pixels along a side while moving
    this.turning = null;
    this.moved = -Infinity;
    this.queued = false;
    this.last = null;
    this.sharp = false;
    this.orbit = new Orbit(this.canvas, about.view, about.limits, (view, moving) =>
      this.changed(view, moving),
    );
    new ResizeObserver(() => this.changed(this.orbit.view, false)).observe(this.canvas);
    this.controls();
    this.draw(false);
  }

  // Pixels of the window.
  get size() {
    const dense = Math.min(window.devicePixelRatio || 1, 2);
    const box = this.canvas.getBoundingClientRect();
    return [box.width, box.height].map((side) => Math.max(Math.round(side * dense), 1));
  }

  // The view as a command line has it: its field of view is across the whole width.
  across(width, height) {
    const fov = fovAcross(this.orbit.view.fov, width, height);
    return { ...this.orbit.view, fov: Number(fov.toFixed(4)) };
  }

  draw(moving) {
    const [width, height] = this.size;
    const share = moving ? this.share : 1;
    const [w, h] = [width, height].map((side) => Math.max(Math.round(side * share), 1));
    this.renderer.show(this.across(width, height), w, h, rgb(this.background));
    this.sharp = w === width && h === height;
    if (!moving) this.tell();
  }

  tell() {
    const { view } = this.orbit;
    const line = this.command();
    byId("command").value = line || "";
    const told = [
      `Azimuth ${view.azimuth.toFixed(0)}°`, `elevation ${view.elevation.toFixed(0)}°`,
      `field of view ${view.fov.toFixed(0)}°`,
    ];
    if (!this.turning) said(`${told.join(", ")}.`);
  }

  command() {
    const [width, height] = this.size;
    const view = this.across(width, height);
    return commandOf(this.about.command, view, width, height, this.background);
  }

  changed(_, moving) {
    if (moving) this.moved = performance.now();
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  // One frame: few pixels while something moves, all of them when it rests.
  frame(now) {
    this.queued = false;
    const since = this.last === null ? null : now - this.last;
    if (this.turning) {
      const seconds = Math.min((now - this.turning.at) / 1000, 0.1);
      this.turning.at = now;
      this.orbit.set({ azimuth: this.orbit.view.azimuth + (360 / ROUND) * seconds });
    }
    const moving = this.turning !== null || performance.now() - this.moved < REST;
    if (moving && since !== null && since < 500) this.adapt(since);
    this.last = moving ? now : null;
    this.draw(moving);
    if (moving) this.changed(this.orbit.view, false);
  }

  // Frames come as late as the last ones took to draw; half a second's mean decides.
  adapt(since) {
    this.mean = this.mean === undefined ? since : 0.8 * this.mean + 0.2 * since;
    if (this.mean > SLOW) this.share *= Math.max(0.7, Math.sqrt(22 / this.mean));
    else if (this.mean < QUICK) this.share *= 1.03;
    this.share = Math.min(Math.max(this.share, LEAST), 1);
  }

  controls() {
    byId("turn").addEventListener("click", () => this.turntable(this.turning === null));
    byId("reset").addEventListener("click", () => {
      this.turntable(false);
      this.orbit.reset();
    });
    const choice = byId("background");
    const own = byId("colour");
    const known = [...choice.options].map((option) => option.value);
    choice.value = known.includes(this.background) ? this.background : "own";
    if (choice.value === "own") own.value = this.background;
    const choose = () => {
      own.hidden = choice.value !== "own";
      this.background = choice.value === "own" ? own.value : choice.value;
      document.body.classList.toggle("clear", this.background === "transparent");
      this.changed(this.orbit.view, false);
    };
    choice.addEventListener("input", choose);
    own.addEventListener("input", choose);
    choose();
    const full = byId("full");
    full.hidden = !document.fullscreenEnabled;
    full.addEventListener("click", () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else document.documentElement.requestFullscreen();
    });
    byId("save").addEventListener("click", () => this.save());
    byId("copy").addEventListener("click", () => this.copy());
    byId("line").hidden = !this.about.command;
    byId("unsaid").hidden = Boolean(this.about.command);
    this.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === " ") {
        event.preventDefault();
        this.turntable(this.turning === null);
      } else if (event.key === "f" && !full.hidden) full.click();
      else if (event.key === "s") this.save();
      else if (event.key === "c") this.copy();
    });
    this.canvas.addEventListener("pointerdown", () => this.turntable(false));
  }

  turntable(on) {
    if (on === (this.turning !== null)) return;
    this.turning = on ? { at: performance.now() } : null;
    byId("turn").setAttribute("aria-pressed", String(on));
    said(on ? "Turning." : "Stopped.");
    this.changed(this.orbit.view, false);
  }

  // A picture of what is seen, at the window's size.
  picture(view, width, height, background) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const image = this.renderer.pixels(view, width, height, background);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  save() {
    const [width, height] = this.size;
    const view = this.across(width, height);
    this.picture(view, width, height, rgb(this.background)).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = "view.png";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      said("Saved view.png.");
    });
  }

  async copy() {
    const line = this.command();
    if (!line) return;
    try {
      await navigator.clipboard.writeText(line);
    } catch {
      // Without leave to write to the clipboard, or in an old browser.
      const box = byId("command");
      box.focus();
      box.select();
      document.execCommand("copy");
    }
    said("Copied the command line.");
  }
}

async function start() {
  const about = JSON.parse(byId("about").textContent);
  if (typeof DecompressionStream === "undefined") throw new MissingError("DecompressionStream");
  const data = byId("volume");
  const volume = unpack(await inflate(data.textContent), about);
  data.remove();
  const page = new Page(about, volume);
  document.body.classList.add("ready");
  return page;
}

const started = start();

window.graf = {
  // Fulfilled when the object is on the screen.
  ready: started.then(() => undefined),

  // A PNG data URL of a view. Degrees, world units, pixels; what is missing is that of the page.
  pixels(wanted = {}) {
    if (!this.page) throw new Error("The page is not ready; await window.graf.ready.");
    const { width = 256, height = width, background = this.page.background, ...rest } = wanted;
    const view = { ...this.page.about.view, ...rest };
    const { limits } = this.page.about;
    for (const [name, value] of Object.entries(view)) {
      if (!(name in limits)) throw new RangeError(`There is no ${name} in a view.`);
      const [low, high] = limits[name] || [-Infinity, Infinity];
      if (!(value >= low && value <= high) || !Number.isFinite(value))
        throw new RangeError(`${name} ${value} is not from ${low} to ${high}.`);
    }
    return this.page.picture(view, width, height, rgb(background)).toDataURL("image/png");
  },
};

started.then(
  (page) => Object.defineProperty(window.graf, "page", { value: page }),
  (error) => {
    const missing = error instanceof MissingError;
    failed(
      missing
        ? `This page needs ${error.message}, which this browser does not have or has switched ` +
          "off; open it in a current Chrome, Edge, Firefox or Safari with graphics acceleration."
        : `This page cannot be shown: ${error.message}`,
    );
  },
);
window.graf.ready.catch(() => {});
