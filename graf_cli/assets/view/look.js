// The panel of what is seen: kinds of pictures, the camera, background and size.

import { Orbit } from "../page/orbit.js";
import { byId, made, rounded, slider } from "./parts.js";

const NAMES = { rgb: "Colour", depth: "Depth", normal: "Normals", opacity: "Opacity", raw: "Raw" };
const WORDS = { azimuth: "Azimuth", elevation: "Elevation", radius: "Distance", fov: "Field of view" };
const TURN = "turn"; // the control that the azimuth sets, where it turns the objects
const ROUND = 12; // seconds of a turn of the turntable

export class Look {
  constructor(page) {
    this.page = page;
    this.sliders = {};
    this.turning = null;
    byId("reset").addEventListener("click", () => this.orbit && this.orbit.reset());
    byId("turntable").addEventListener("click", () => this.turntable(!this.turning));
    byId("background").addEventListener("input", () => this.background());
    byId("colour").addEventListener("input", () => this.background());
    byId("size").addEventListener("input", () => this.size());
    const canvas = byId("picture");
    canvas.addEventListener("pointerdown", () => this.turntable(false));
    canvas.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      this.turntable(!this.turning);
    });
  }

  met(facts) {
    this.facts = facts;
    const limits = {
      azimuth: null,
      elevation: [-90, 90],
      radius: [facts.ranges.radius[0] * 0.3, facts.ranges.radius[1] * 3],
      fov: [1, 150],
    };
    this.limits = limits;
    if (!this.orbit) {
      this.orbit = new Orbit(byId("picture"), facts.view, limits, (view, moving) =>
        this.turned(view, moving));
    }
    Object.assign(this.orbit, { start: { ...facts.view }, limits });
    const words = Object.keys(WORDS).filter((word) =>
      word === "fov" ? facts.lens : !facts.front);
    const ends = { ...limits, azimuth: [0, 360], elevation: [-90, 90] };
    if (facts.turns === "objects") {
      const turn = facts.controls.find((control) => control.name === TURN);
      this.orbit.start.azimuth = turn.default;
      ends.azimuth = [turn.low, turn.high];
    }
    byId("camera-sliders").replaceChildren(...words.map((word) => {
      this.sliders[word] = slider({
        label: WORDS[word], low: ends[word][0], high: ends[word][1], step: "any",
        value: facts.view[word],
        moved: (value, moving) => this.set({ [word]: value }, moving),
      });
      return this.sliders[word];
    }));
    byId("camera").hidden = !words.length;
    byId("turntable").hidden = facts.front;
    if (facts.front) this.turntable(false);
    byId("show").replaceChildren(...facts.shows.map((kind) => {
      const button = made("button", { type: "button", role: "radio", textContent: NAMES[kind],
        dataset: { kind } });
      button.addEventListener("click", () => this.page.change({ show: [kind] }));
      button.addEventListener("keydown", (event) => this.along(event, button));
      return button;
    }));
    const own = facts.background !== null;
    for (const id of ["background", "colour"]) byId(id).disabled = !own;
    const { size } = facts;
    const sizes = facts.sizes ? [] : [["", "The window’s"]];
    for (const side of facts.sizes || [size[0], 256, 512]) sizes.push([`${side}x${side}`, `${side} × ${side}`]);
    if (size[0] !== size[1] && !facts.sizes) sizes.push([size.join("x"), size.join(" × ")]);
    byId("size").replaceChildren(...[...new Map(sizes)].map(([value, textContent]) =>
      made("option", { value, textContent })));
    byId("facts").textContent = facts.front
      ? "Cameras stand in front of this scene: drop a file of cameras to move through it."
      : `Trained at azimuth ${told(facts.ranges.azimuth)}°, elevation ` +
        `${told(facts.ranges.elevation)}°, distance ${told(facts.ranges.radius)}.`;
  }

  along(event, button) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...byId("show").children];
    const next = all[(all.indexOf(button) + step + all.length) % all.length];
    next.focus();
    next.click();
  }

  // From the canvas.
  turned(view, moving) {
    if (this.facts.front) {
      this.page.change({ fov: view.fov }, { moving });
      return;
    }
    this.set({ ...view }, moving);
  }

  // Words of the view; a camera of a file makes way for them.
  set(words, moving) {
    const change = { ...words };
    for (const [word, value] of Object.entries(change)) change[word] = rounded(value);
    if (!this.facts.lens) delete change.fov;
    const leaves = this.page.look.pose && Object.keys(words).some((word) => word !== "fov");
    if (this.page.look.pose) {
      if (leaves) Object.assign(change, { ...this.seen(), ...change, pose: null, lens: null });
      else change.lens = null;
    }
    if (this.facts.turns === "objects" && "azimuth" in change) {
      change.controls = { ...this.page.look.controls, [TURN]: change.azimuth };
      delete change.azimuth;
    }
    this.page.change(change, { moving });
  }

  // What a pose is nearest to, on the sphere.
  seen() {
    const { pose } = this.page.look;
    const [x, y, z] = [pose[3], pose[7], pose[11]];
    const radius = Math.hypot(x, y, z);
    const degrees = (radians) => rounded((radians * 180) / Math.PI);
    return {
      azimuth: (degrees(Math.atan2(y, x)) + 360) % 360,
      elevation: radius ? degrees(Math.asin(z / radius)) : 0,
      radius: rounded(radius),
      fov: this.page.look.fov || this.facts.view.fov,
    };
  }

  turntable(on) {
    if (on === Boolean(this.turning) || !this.orbit || (on && this.facts.front)) return;
    byId("turntable").setAttribute("aria-pressed", String(on));
    this.turning = on ? { last: performance.now() } : null;
    if (on) requestAnimationFrame((now) => this.turn(now));
  }

  turn(now) {
    if (!this.turning) return;
    const seconds = Math.min(Math.max((now - this.turning.last) / 1000, 0), 0.1);
    this.turning.last = now;
    this.orbit.set({ azimuth: this.orbit.view.azimuth + (360 / ROUND) * seconds });
    requestAnimationFrame((later) => this.turn(later));
  }

  background() {
    const choice = byId("background").value;
    byId("colour").hidden = choice !== "own";
    this.page.change({ background: choice === "own" ? byId("colour").value : choice });
  }

  // Across the window's middle square, or across the width of a picture of its own size.
  size() {
    const value = byId("size").value;
    this.page.change({ size: value ? value.split("x").map(Number) : null, lens: null });
  }

  changed(look, moving) {
    const view = this.orbit.view;
    for (const word of Object.keys(WORDS)) {
      let value = look[word];
      if (word === "azimuth" && this.facts.turns === "objects")
        value = look.controls[TURN] ?? this.orbit.start.azimuth;
      if (value === undefined) continue;
      view[word] = value;
      if (this.sliders[word]) this.sliders[word].set(value, moving);
    }
    if (look.pose) Object.assign(view, this.seen());
    if (!moving) this.settled(look);
  }

  // What nothing moves.
  settled(look) {
    for (const button of byId("show").children) {
      const chosen = look.show[0] === button.dataset.kind;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    const select = byId("background");
    const known = [...select.options].some((option) => option.value === look.background);
    select.value = known ? look.background : "own";
    byId("colour").hidden = select.value !== "own";
    if (!known) byId("colour").value = look.background;
    byId("stage").classList.toggle("clear", look.background === "transparent");
    const size = look.size ? look.size.join("x") : "";
    const sizes = byId("size");
    if (![...sizes.options].some((option) => option.value === size))
      sizes.append(made("option", { value: size, textContent: size.replace("x", " × ") }));
    sizes.value = size;
  }
}

const told = ([low, high]) =>
  low === high ? rounded(low, 2) : `${rounded(low, 1)} to ${rounded(high, 1)}`;
