// Mouse, touch, wheel, pinch and keys move a view; whoever shows it is told of every change.

const TURN = 0.4; // degrees a pixel
const KEY = 5; // degrees a key
const WHEEL = 0.0015; // of the logarithm of a zoom, a pixel of a wheel
const STEP = 1.1; // of a zoom, a key
const DIGITS = 4; // of numbers as a command line has them, so that it says the very view

const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);
const rounded = (value) => Number(value.toFixed(DIGITS));

export class Orbit {
  // `limits` has the ends of azimuth (null where it goes round), elevation, radius and fov.
  constructor(element, start, limits, changed) {
    this.start = { ...start };
    this.view = { ...start };
    this.limits = limits;
    this.changed = changed;
    this.fingers = new Map();
    element.addEventListener("pointerdown", (event) => this.down(element, event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      element.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("dblclick", () => this.reset());
  }

  set(change, moving = true) {
    const { view, limits } = this;
    for (const [name, value] of Object.entries(change)) {
      if (!Number.isFinite(value)) continue;
      const ends = limits[name];
      const within = ends ? clamp(value, ends) : ((value % 360) + 360) % 360;
      view[name] = rounded(within) % (ends ? Infinity : 360);
    }
    this.changed(view, moving);
  }

  reset() {
    this.view = { ...this.start };
    this.changed(this.view, false);
  }

  turn(azimuth, elevation) {
    const { view } = this;
    this.set({ azimuth: view.azimuth + azimuth, elevation: view.elevation + elevation });
  }

  // Times as near, through the lens: what is seen stays as the model was trained to be seen.
  zoom(times) {
    const half = Math.tan((this.view.fov * Math.PI) / 360) / times;
    this.set({ fov: (Math.atan(half) * 360) / Math.PI });
  }

  approach(times) {
    this.set({ radius: this.view.radius / times });
  }

  down(element, event) {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const others = [...this.fingers.entries()].filter(([id]) => id !== event.pointerId);
    this.fingers.set(event.pointerId, now);
    if (others.length) {
      const [, other] = others[0];
      const apart = (p) => Math.max(Math.hypot(p[0] - other[0], p[1] - other[1]), 1);
      this.zoom(apart(now) / apart(before));
    } else {
      const slower = Math.min(1, this.view.fov / this.start.fov);
      this.turn((before[0] - now[0]) * TURN * slower, (now[1] - before[1]) * TURN * slower);
    }
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const along = event.deltaY || event.deltaX; // with Shift held some browsers turn the wheel
    const times = Math.exp(-along * lines * WHEEL);
    if (event.shiftKey) this.approach(times);
    else this.zoom(times);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? KEY / 5 : KEY;
    const does = {
      ArrowLeft: () => this.turn(-step, 0),
      ArrowRight: () => this.turn(step, 0),
      ArrowUp: () => this.turn(0, step),
      ArrowDown: () => this.turn(0, -step),
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      "[": () => this.approach(1 / STEP),
      "]": () => this.approach(STEP),
      Home: () => this.reset(),
      0: () => this.reset(),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }
}
