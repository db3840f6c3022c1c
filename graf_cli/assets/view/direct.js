// The panel of films: keyframes on a timeline, and what becomes of them.

import { byId, clamp, copyOf, copyText, download, made, rounded } from "./parts.js";

const DEFAULT = { keys: [], frames: 120, fps: 30 };

export class Direct {
  constructor(page) {
    this.page = page;
    this.film = copyOf(DEFAULT);
    this.chosen = null;
    this.scrubbing = false;
    this.playing = false;
    const on = (id, event, does) => byId(id).addEventListener(event, does);
    on("add", "click", () => this.add());
    on("scrub", "input", () => this.scrub());
    on("scrub", "change", () => this.arrive());
    on("play", "click", () => this.play(!this.playing));
    on("key-at", "input", () => this.moveKey(byId("key-at").valueAsNumber));
    on("key-ease", "change", () => this.alter({ ease: byId("key-ease").value }));
    on("key-set", "click", () => this.alter({ look: copyOf(page.look) }));
    on("key-remove", "click", () => this.remove());
    for (const id of ["frames", "fps", "boomerang"]) on(id, "change", () => this.numbers());
    on("film-size", "change", () => {
      const size = byId("film-size");
      size.value = size.value.replace(/\s/g, "").replace(/[X×]/, "x");
    });
    on("render", "click", () => this.render());
    on("stop", "click", () => page.link.ask({ do: "stop" }));
    on("film-copy", "click", () => this.told((line) => copyText(line.line)));
    on("film-recipe", "click", () => this.told((line) =>
      download(`${this.file.replace(/\/$|\.[a-z0-9]+$/i, "")}.recipe.json`,
        JSON.stringify(line.recipe), "application/json")));
    on("cameras", "click", () => this.cameras());
    on("forget", "click", () => {
      delete this.film.poses;
      delete this.film.lenses;
      this.drawn();
    });
  }

  // Keyframes are kept while the model has their codes and controls.
  met(facts) {
    this.chosen = null;
    const blocks = new Set(facts.blocks.map(({ name }) => name));
    const controls = new Set(facts.controls.map(({ name }) => name));
    const fits = ({ look }) => Object.keys(look.codes).every((name) => blocks.has(name))
      && Object.keys(look.controls).every((name) => controls.has(name));
    if (!this.film.keys.every(fits)) this.film = { ...this.film, keys: [], poses: [], lenses: [] };
  }

  changed() {}

  rested() {}

  // A film of a file; `look` has the object of a path of cameras.
  take(film, look = null) {
    if (!film) {
      if (!this.film.keys.length || !look) this.drawn();
      return;
    }
    this.film = { ...copyOf(film) };
    for (const key of this.film.keys)
      key.look = this.page.whole(look ? { ...copyOf(look), pose: null, lens: null } : key.look);
    if (!film.poses || !film.poses.length) {
      delete this.film.poses;
      delete this.film.lenses;
    }
    if (film.size) byId("film-size").value = film.size.join("x");
    byId("frames").value = film.frames;
    byId("fps").value = film.fps;
    byId("boomerang").checked = Boolean(film.boomerang);
    this.chosen = null;
    this.drawn();
  }

  // Of a file, one a frame.
  get poses() {
    return this.film.poses || [];
  }

  // Frames from the first keyframe to the last: there and back takes all of them.
  get way() {
    const { frames, boomerang } = this.film;
    return boomerang && !this.poses.length ? frames / 2 : Math.max(frames - 1, 0);
  }

  get file() {
    return byId("film-name").value.trim();
  }

  // The film as the program takes it; with no keyframe it stands still at what is seen.
  get whole() {
    const keys = this.film.keys.length ? this.film.keys : [{ at: 0, look: this.page.look }];
    const size = byId("film-size").value.split("x").map(Number);
    const sides = [size[0], size[1] ?? size[0]];
    return {
      ...this.film,
      boomerang: Boolean(this.film.boomerang && !this.poses.length),
      size: this.film.lenses && this.film.lenses.length ? this.film.size : sides,
      keys: keys.map((key) => ({ ...key, look: this.free(key.look) })),
    };
  }

  free(look) {
    const { size, lens, ...rest } = look;
    return rest;
  }

  window() {
    const [width, height] = byId("film-size").value.split("x").map(Number);
    return [width || 256, height || width || 256];
  }

  // keyframes

  add() {
    const { keys, frames } = this.film;
    const frame = byId("scrub").valueAsNumber;
    const there = this.film.boomerang ? Math.min(frame, frames - frame) : frame;
    let at = this.way ? rounded(there / this.way, 6) : 0;
    // The first keyframes come one after the other, spread over the film.
    if (!this.scrubbing && keys.length) at = 1;
    const key = { at, look: copyOf(this.page.look), ease: "linear" };
    const same = keys.findIndex((one) => Math.abs(one.at - at) < 1e-6);
    if (same >= 0 && this.scrubbing) keys[same] = { ...keys[same], look: key.look };
    else {
      keys.push(key);
      if (!this.scrubbing) keys.forEach((one, k) => {
        one.at = keys.length > 1 ? k / (keys.length - 1) : 0;
      });
      keys.sort((a, b) => a.at - b.at);
    }
    this.chosen = same >= 0 && this.scrubbing ? keys[same] : key;
    this.drawn();
    this.page.status(`Keyframe ${keys.indexOf(this.chosen) + 1} of ${keys.length}.`);
  }

  alter(change) {
    if (!this.chosen) return;
    Object.assign(this.chosen, change);
    this.drawn();
  }

  moveKey(at) {
    if (!this.chosen) return;
    this.chosen.at = clamp(rounded(at, 6), 0, 1);
    this.film.keys.sort((a, b) => a.at - b.at);
    this.drawn();
  }

  remove() {
    this.film.keys = this.film.keys.filter((key) => key !== this.chosen);
    this.chosen = null;
    this.drawn();
  }

  numbers() {
    this.film.frames = clamp(Math.round(byId("frames").valueAsNumber) || 120, 1, 4096);
    this.film.fps = clamp(byId("fps").valueAsNumber || 30, 0.1, 1000);
    this.film.boomerang = byId("boomerang").checked;
    byId("frames").value = this.film.frames;
    byId("fps").value = this.film.fps;
    this.drawn();
  }

  // Marks above the scrubber; arrow keys move one, Delete removes it.
  drawn() {
    const { poses } = this;
    const { keys, frames, fps } = this.film;
    byId("scrub").max = frames - 1;
    byId("boomerang").disabled = poses.length > 0;
    const share = frames > 1 ? this.way / (frames - 1) : 1; // of the track that keyframes have
    const focused = document.activeElement && document.activeElement.dataset.key !== undefined;
    byId("marks").replaceChildren(...keys.map((key, k) => {
      const mark = made("button", { type: "button", dataset: { key: k },
        title: `Keyframe ${k + 1}`, "aria-label": `Keyframe ${k + 1} at ${Math.round(key.at * 100)} %` });
      mark.style.left = `${key.at * share * 100}%`;
      mark.setAttribute("aria-pressed", String(key === this.chosen));
      mark.addEventListener("click", () => this.choose(key));
      mark.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -0.01, ArrowRight: 0.01 }[event.key];
        if (step) this.chosen = key;
        if (step) this.moveKey(key.at + step);
        else if (event.key === "Delete") {
          this.chosen = key;
          this.remove();
        }
      });
      return mark;
    }));
    if (focused && this.chosen) byId("marks").children[keys.indexOf(this.chosen)]?.focus();
    byId("key").hidden = !this.chosen;
    if (this.chosen) {
      byId("key-at").value = this.chosen.at;
      byId("key-ease").value = this.chosen.ease;
    }
    byId("forget").hidden = !poses.length;
    const seconds = rounded(frames / fps, 1);
    byId("play").disabled = !keys.length;
    byId("scrub").disabled = !keys.length;
    byId("at").textContent = (keys.length
      ? `${keys.length} keyframe${keys.length > 1 ? "s" : ""}, ${seconds} s`
      : "Add one, turn, add another.") +
      (poses.length ? `, ${poses.length} cameras of a file` : "");
  }

  choose(key) {
    this.chosen = key;
    byId("scrub").value = Math.round(key.at * this.way);
    this.drawn();
    this.page.show({ ...key.look, size: this.page.look.size }, { record: false });
  }

  // the timeline

  scrub(answered = null) {
    if (!this.film.keys.length) return;
    this.scrubbing = true;
    this.page.small(() => ({
      do: "scrub", film: this.whole, window: this.window(), frame: byId("scrub").valueAsNumber,
    }), (answer) => {
      if (answer.is === "picture") this.look = answer.look;
      if (answered) answered(answer);
    });
    byId("at").textContent = `Frame ${byId("scrub").valueAsNumber + 1} of ${this.film.frames}`;
  }

  // What the film shows there becomes what is seen.
  arrive() {
    this.scrub((answer) => {
      if (answer.is !== "picture") return;
      const { size, background, show } = this.page.look;
      this.page.show({ ...this.look, size, background, show }, { record: false });
    });
  }

  play(on) {
    const was = this.playing;
    this.playing = on && this.film.keys.length > 0;
    byId("play").setAttribute("aria-pressed", String(this.playing));
    byId("play").textContent = this.playing ? "Pause" : "Play";
    if (this.playing) this.step(performance.now(), byId("scrub").valueAsNumber);
    else if (was) this.arrive();
  }

  // The program has gone: nothing plays, and whether a film was finished is not known.
  lost() {
    this.playing = false;
    byId("play").setAttribute("aria-pressed", "false");
    byId("play").textContent = "Play";
    if (!byId("stop").hidden) this.ended("The program ended before the film did.");
  }

  step(began, from) {
    if (!this.playing) return;
    const frame = from + Math.floor(((performance.now() - began) / 1000) * this.film.fps);
    byId("scrub").value = frame % this.film.frames;
    this.scrub((answer) => {
      if (answer.is === "problem") this.play(false);
      else requestAnimationFrame(() => this.step(began, from));
    });
  }

  // what becomes of it

  // Whether the film has a size; else the browser tells how one is written.
  get sized() {
    return byId("film-size").reportValidity();
  }

  async told(does) {
    if (!this.sized) return;
    try {
      const line = await this.page.link.once(
        { do: "film", film: this.whole, window: this.window(), name: this.file });
      await does(line);
      this.page.status("Done.");
    } catch (error) {
      this.page.problem(error.message);
    }
  }

  async cameras() {
    if (!this.sized) return;
    try {
      const { text } = await this.page.link.once(
        { do: "cameras", film: this.whole, window: this.window() });
      download("camera_path.json", text, "application/json");
    } catch (error) {
      this.page.problem(error.message);
    }
  }

  ended(text) {
    byId("render").hidden = false;
    byId("stop").hidden = true;
    byId("done").hidden = true;
    byId("job").replaceChildren(...[text].flat());
  }

  render() {
    if (!this.sized) return;
    const bar = byId("done");
    byId("render").hidden = true;
    byId("stop").hidden = false;
    bar.hidden = false;
    bar.value = 0;
    byId("job").textContent = "Waiting for the renderer…";
    this.page.link.ask(
      { do: "render", film: this.whole, window: this.window(), name: this.file,
        resume: byId("resume").checked },
      (answer) => {
        if (answer.is === "problem") this.ended(answer.text);
        else if (answer.stopped) this.ended("Stopped.");
        else if (answer.file) {
          const error = answer.difference === null || answer.difference === undefined
            ? "" : `, error ≤ ${answer.difference.toPrecision(2)}`;
          const name = answer.file.endsWith("/") ? answer.file
            : made("a", { href: `files/${encodeURIComponent(answer.file)}`, target: "_blank",
              textContent: answer.file });
          this.ended([name, ` is finished: ${answer.total} frame${answer.total === 1 ? "" : "s"}${error}.`]);
        } else {
          bar.max = answer.total;
          bar.value = answer.done;
          byId("job").textContent = `${answer.done} of ${answer.total} frames`;
        }
      },
    );
  }
}
