// The page: what is seen (`look`), where it came from, and who shows and changes it.

import { Link } from "./link.js";
import { Screen } from "./screen.js";
import { Look } from "./look.js";
import { Explore } from "./explore.js";
import { Direct } from "./direct.js";
import {
  byId, copyOf, copyText, download, fragmentOf, made, same, stateOf,
} from "./parts.js";

const REST = 220; // milliseconds without a change after which a look is at rest, and kept
const SOON = 80; // the same for the exact picture of a volume, which waits for no other picture
const MOMENT = 2600; // milliseconds that a word of what was done is seen
const MOST_UNDO = 200; // looks that are remembered

class Page {
  constructor() {
    this.look = null;
    this.film = null;
    this.facts = null;
    this.past = [];
    this.future = [];
    this.recorded = null;
    this.recording = false; // whether what is seen at rest is to be undone to
    this.pending = 0; // number of the small picture that is on its way
    this.wanted = null; // the one that is wanted after it
    this.resting = null;
    this.asked = 0; // number of the picture that is waited for
    this.awaits = false; // whether an exact picture is on its way
    this.sought = 0; // its number
    this.drawn = 0; // of the newest one that was drawn
    this.exact = null; // the exact picture, as a file
    this.baked = null; // the subject that a volume was asked for
    this.begged = false; // whether the model was asked for again
    this.said = { line: "", recipe: null };
    this.told = null;
    this.screen = new Screen();
    this.panels = { look: new Look(this), explore: new Explore(this), direct: new Direct(this) };
    this.link = new Link((answer) => this.heard(answer), (here) => this.connected(here),
      (said) => this.missed(said));
    this.controls();
    new ResizeObserver(() => {
      this.screen.resized();
      if (this.look && !this.look.size) this.change({}, { moving: true, record: false });
    }).observe(byId("stage"));
  }

  // the program

  connected(here) {
    if (!here) {
      this.unsettle();
      this.panels.direct.lost();
      this.screen.tell("No program");
      return;
    }
    byId("ended").hidden = true;
    const state = this.look ? this.state() : stateOf(location.hash);
    this.baked = null;
    this.hello(state);
    this.link.ask({ do: "models" }, (answer) => this.models(answer));
  }

  // What is known of a program that is not there: it has ended, or says why it takes no page.
  missed(said) {
    const [, token] = location.pathname.split("/");
    byId("ended").textContent = said === null ? "The program has ended. Start it again with " +
      `graf view ${this.started || ""}--port ${location.port} --token ${token} and this page goes on.`
      : said || "The connection was lost; it is opened again.";
    byId("ended").hidden = false;
  }

  hello(state) {
    this.screen.tell("Loading the model…");
    this.link.ask({ do: "hello", ...(state && state.model ? { model: state.model } : {}) },
      (answer) => {
        if (answer.is === "fetched") {
          this.fetched(answer);
          return;
        }
        byId("fetching").hidden = true;
        if (answer.bug && !this.begged) { // what failed once may have been in the way of another
          this.begged = true;
          this.hello(state);
          return;
        }
        if (answer.is === "problem") {
          // A link of a model that is not here opens with the program's own.
          this.problem(answer.text);
          if (state && state.model) this.hello(null);
          return;
        }
        this.met(answer.facts, (state || answer).look, (state || answer).film);
      });
  }

  fetched({ done, total }) {
    const bar = byId("fetching");
    bar.hidden = false;
    if (total) {
      bar.max = total;
      bar.value = done;
    } else bar.removeAttribute("value");
    const digits = (total || done) < 1e7 ? 1 : 0;
    const [here, all] = [done, total].map((bytes) => (bytes / 1e6).toFixed(digits));
    this.screen.tell(`Downloading, ${here} MB` + (total ? ` of ${all}` : ""));
  }

  models({ models, started }) {
    this.known = models;
    this.started = started && `${started} `;
    const select = byId("model");
    select.replaceChildren(...models.map((model) => made("option", {
      value: model.name,
      textContent: `${model.title.split(";")[0]} · ${model.name}` +
        (model.here ? "" : model.fetched ? " · download" : " · by hand"),
      disabled: !model.here && !model.fetched,
    })));
    this.chosen();
  }

  // Without a model none is chosen, so that any can be.
  chosen() {
    byId("model").value = this.facts ? this.facts.name : "";
  }

  // Until it is there, the program goes on with the model before.
  choose(name) {
    byId("notice").hidden = true; // of the model before
    this.screen.tell("Opening the model…");
    this.link.ask({ do: "model", model: name }, (answer) => {
      if (answer.is === "fetched") {
        this.fetched(answer);
        return;
      }
      byId("fetching").hidden = true;
      if (answer.is === "problem") {
        this.chosen();
        this.change({}, { record: false });
        this.problem(answer.text);
        return;
      }
      this.met(answer.facts);
      this.link.ask({ do: "models" }, (told) => this.models(told));
    });
  }

  // A model is there: its controls, and its first look or one of its own.
  met(facts, look, film) {
    const another = !this.facts || this.facts.name !== facts.name;
    this.facts = facts;
    this.baked = null;
    this.begged = false;
    byId("model").value = facts.name;
    document.title = `${facts.told} · graf view`;
    if (another) Object.assign(this, { past: [], future: [], recorded: null });
    this.unsettle();
    this.look = this.whole(look || {});
    this.record(); // at once, so that a quick first change can be undone
    for (const panel of Object.values(this.panels)) panel.met(facts);
    this.panels.direct.take(film || null);
    this.change({}, { record: true });
  }

  // A look with numbers for all that the model leaves open; what is null is the model's.
  whole(look) {
    const { view, blocks } = this.facts;
    const told = { ...copyOf(look) };
    for (const name of Object.keys(told)) if (told[name] === null) delete told[name];
    const codes = {};
    if (!told.rows)
      for (const { name } of blocks)
        codes[name] = (told.codes && told.codes[name]) || { seeds: [0], at: [0, 0] };
    return {
      show: ["rgb"], background: "model", controls: {},
      ...(told.pose || this.facts.front ? {} : view),
      ...(told.lens || !this.facts.lens ? {} : { fov: view.fov }),
      ...told,
      codes,
    };
  }

  state() {
    return { model: this.facts.name, look: this.look, film: this.panels.direct.film };
  }

  // changes

  change(changes, { moving = false, record = true } = {}) {
    if (!this.look) return;
    const look = { ...this.look, ...changes };
    for (const name of Object.keys(look))
      if (look[name] === null || look[name] === undefined) delete look[name];
    this.look = look;
    this.exact = null;
    if (this.awaits) {
      this.link.ask({ do: "move" });
      this.screen.waits(false);
    }
    this.awaits = false;
    if (moving && byId("notice").classList.contains("wrong")) byId("notice").hidden = true;
    for (const panel of Object.values(this.panels)) panel.changed(look, moving);
    clearTimeout(this.resting);
    clearTimeout(this.soon);
    this.recording ||= record; // a window that is resized meanwhile forgets none
    this.resting = setTimeout(() => this.rest(), moving ? REST : 0);
    if (!moving) return;
    this.soon = setTimeout(() => this.sooner(), SOON);
    this.moved();
  }

  subject() {
    const { codes, rows, towards, controls, truncation, samples } = this.look;
    return JSON.stringify([this.facts.name, codes, rows, towards, controls, truncation, samples]);
  }

  // While something moves: the volume, else a small picture, never more than one on its way.
  moved() {
    if (this.volume()) return;
    this.small(() => ({ do: "look", look: this.look, window: this.screen.size, moving: true }));
  }

  // The volume, if it is of what is seen; a `share` of the pixels along a side, or as many as are quick.
  volume(share) {
    const own = this.facts.background;
    const background = this.look.background === "model"
      ? { white: "#ffffff", black: "#000000" }[own] : this.look.background;
    if (!background || !this.screen.turned(this.look, this.subject(), background, share))
      return false;
    this.screen.tell("Preview");
    return true;
  }

  // A small picture: never more than one is on its way, and the newest that is wanted comes next.
  small(request, answered = null) {
    if (this.pending) {
      this.wanted = { request, answered };
      return;
    }
    const began = performance.now();
    this.pending = this.asked = this.link.ask(request(), (answer) => {
      this.pending = 0;
      this.latency = performance.now() - began;
      const next = this.wanted;
      this.wanted = null;
      if (next) this.small(next.request, next.answered);
      this.heard(answer);
      if (answered) answered(answer);
    });
  }

  // What was asked for is not answered any more.
  unsettle() {
    this.pending = 0;
    this.wanted = null;
  }

  // Nothing has moved for a moment.
  rest() {
    if (!this.link.here) return;
    if (this.wanted && !this.wanted.answered) this.wanted = null;
    const subject = this.subject();
    if (this.screen.subject !== subject && !this.pending && this.baked !== subject) this.moved();
    this.bake(subject);
    if (this.recording) this.record();
    this.recording = false;
    this.panels.direct.rested();
    const fragment = fragmentOf({ model: this.facts.name, look: this.look });
    history.replaceState(null, "", `#${fragment}`);
    if (!this.exact && !(this.awaits && this.sought === this.asked)) this.exactly();
  }

  // The page turns a volume by itself, so that the program may begin while it is not sure of the
  // end of a movement: what moves on gives it up at once, and small frames would wait for that.
  sooner() {
    const { look, direct } = this.panels;
    const turns = !this.screen.live.hidden && this.screen.subject === this.subject();
    const busy = this.pending || look.turning || direct.playing;
    if (this.link.here && turns && !busy) this.exactly();
  }

  exactly() {
    const began = performance.now();
    const id = this.link.ask(
      { do: "look", look: this.look, window: this.screen.size, name: this.name() },
      (answer) => {
        if (id !== this.asked) return;
        if (answer.is === "problem") {
          this.awaits = false;
          this.screen.waits(false);
          this.screen.tell("No picture");
          // A link that cannot be shown opens with the model's own view.
          if (!this.screen.shown) this.show({}, { record: false });
        }
        if (answer.kind === "exact") {
          this.rested = performance.now() - began;
          this.awaits = false;
          this.screen.waits(false);
        }
        this.heard(answer);
      },
    );
    this.asked = this.sought = id;
    this.awaits = true;
    this.screen.waits(true);
  }

  // A volume of what is seen, a coarse one first.
  bake(subject) {
    if (this.baked === subject || !this.facts.bakes) return;
    this.baked = subject;
    this.link.ask({ do: "bake", look: this.look, window: this.screen.size }, async (answer) => {
      if (answer.is !== "volume" || this.subject() !== subject) return;
      await this.screen.take(answer.about, answer.data, subject);
      this.volumes = (this.volumes || 0) + 1;
      this.clearer();
    });
  }

  // A volume is clearer than the small picture that is seen until the program has a larger one.
  clearer() {
    const { kind } = this.screen.shown || {};
    const small = this.screen.live.hidden && (kind === undefined || kind === "preview");
    if (small && !this.exact && !this.pending) this.volume(1);
  }

  record() {
    if (this.recorded && same(this.recorded, this.look)) return;
    if (this.recorded) this.past.push(this.recorded);
    if (this.past.length > MOST_UNDO) this.past.shift();
    this.recorded = copyOf(this.look);
    this.future = [];
    this.undoable();
  }

  undoable() {
    byId("undo").disabled = !this.past.length;
    byId("redo").disabled = !this.future.length;
  }

  undo(back = true) {
    const [from, to] = back ? [this.past, this.future] : [this.future, this.past];
    if (!from.length) return;
    to.push(this.recorded);
    this.recorded = from.pop();
    this.undoable();
    this.show(this.recorded, { record: false });
  }

  // A look that was seen before, or that a file has.
  show(look, options) {
    this.look = this.whole(look);
    this.change({}, options);
  }

  // answers

  heard(answer) {
    if (answer.is === "problem") this.problem(answer.text);
    else if (answer.is === "line") {
      this.said = answer;
      byId("line").value = answer.line;
    } else if (answer.is === "picture") this.pictured(answer);
  }

  async pictured(answer) {
    const { id, kind, width, height } = answer;
    if (kind === "preview") {
      if (id < this.drawn) return;
      this.drawn = id;
      const image = new ImageData(new Uint8ClampedArray(answer.data), width, height);
      const bitmap = await createImageBitmap(image);
      if (id < this.drawn) return;
      this.screen.draw(bitmap, width, height, kind);
      this.screen.tell("Preview");
      return;
    }
    const file = new Blob([answer.data], { type: "image/png" });
    const bitmap = await createImageBitmap(file);
    if (id !== this.asked) return;
    this.drawn = id;
    this.screen.draw(bitmap, width, height, kind);
    if (kind === "step") {
      this.screen.tell(`${width} × ${height}, sharper soon`);
      return;
    }
    this.exact = file;
    const difference = answer.difference;
    const error = answer.path === "plain" ? "the plain integrator"
      : `error ≤ ${difference.toPrecision(2)}`;
    this.screen.tell(`Exact · ${width} × ${height} · ${error}`, true,
      "The very picture of the command line. Its largest difference from the plain integrator, " +
      "of colours from 0 to 1, measured on some of its rays.");
    this.panels.explore.seen(this.look);
    byId("status").textContent = "Exact picture.";
  }

  // What is wrong stays to be read until it is put away, or the next thing is done.
  problem(text) {
    if (!this.facts) this.screen.tell("No model");
    this.notice(text, true);
  }

  // What was done is told for a moment.
  status(text) {
    this.notice(text, false);
  }

  notice(text, wrong) {
    const box = byId("notice");
    clearTimeout(this.noticed);
    box.hidden = false;
    box.classList.toggle("wrong", wrong);
    byId("notice-text").textContent = text;
    if (!wrong) this.noticed = setTimeout(() => { box.hidden = true; }, MOMENT);
  }

  // tools

  name(suffix = ".png") {
    const model = this.facts.told.split(":")[0].replace(/[^A-Za-z0-9._-]/g, "-");
    const seeds = Object.values(this.look.codes).map((mix) => mix.seeds[0]);
    const seed = seeds.length && seeds.every((one) => one === seeds[0]) ? `-${seeds[0]}` : "";
    return `${model}${seed}${suffix}`;
  }

  async copy() {
    const line = await this.link.once(
      { do: "line", look: this.look, window: this.screen.size, name: this.name() });
    await copyText(line.line);
    this.status("Copied the command line.");
  }

  async save() {
    if (!this.exact) {
      this.status("The exact picture is not there yet.");
      return;
    }
    download(this.name(), this.exact, "image/png");
    this.status("Saved the picture.");
  }

  async saveRecipe() {
    const line = await this.link.once(
      { do: "line", look: this.look, window: this.screen.size, name: this.name() });
    download("recipe.json", JSON.stringify(line.recipe), "application/json");
    this.status("Saved recipe.json.");
  }

  async bring(file) {
    this.status(`Opening ${file.name}…`);
    const query = new URLSearchParams({ name: file.name, model: this.facts.name });
    let told;
    try {
      const answer = await fetch(`bring?${query}`, { method: "POST", body: file });
      told = answer.headers.get("Content-Type").startsWith("application/json")
        ? await answer.json() : { problem: (await answer.text()).trim() };
    } catch {
      told = { problem: `${file.name} could not be sent; it has at most 32 MB.` };
    }
    if (told.problem) {
      this.problem(told.problem);
      return;
    }
    const look = told.look || told.looks[0];
    // Codes and cameras leave all else as it is.
    const kept = told.recipe ? {} : this.kept(look);
    if (told.facts.name !== this.facts.name) {
      this.unsettle();
      this.link.ask({ do: "model", model: told.facts.name }, (answer) => {
        if (answer.is === "model") this.met(answer.facts, look, told.film);
      });
      return;
    }
    this.show({ ...kept, ...look });
    this.panels.direct.take(told.film, told.recipe ? null : this.look);
    this.panels.explore.brought(told.looks, file.name);
    this.status(`Opened ${file.name}.`);
  }

  kept(look) {
    const kept = copyOf(this.look);
    if (look.rows) kept.codes = {};
    if (look.pose) for (const name of ["azimuth", "elevation", "radius"]) delete kept[name];
    for (const [name, value] of Object.entries(look))
      if (value === null || (typeof value === "object" && !Object.keys(value).length)
        || name === "show" || name === "background") delete look[name];
    if (look.pose && !look.codes) look.codes = kept.codes;
    return kept;
  }

  controls() {
    const on = (id, event, does) => byId(id).addEventListener(event, does);
    const safely = (does) => () => Promise.resolve(does()).catch((error) =>
      this.problem(error.message));
    on("model", "change", () => this.choose(byId("model").value));
    on("undo", "click", () => this.undo());
    on("redo", "click", () => this.undo(false));
    on("copy", "click", safely(() => this.copy()));
    on("save", "click", safely(() => this.save()));
    on("recipe", "click", safely(() => this.saveRecipe()));
    on("link", "click", safely(async () => {
      await copyText(location.href.replace(/#.*/, "") +
        `#${fragmentOf({ model: this.facts.name, look: this.look })}`);
      this.status("Copied the link.");
    }));
    on("open", "click", () => byId("opened").click());
    on("opened", "change", () => {
      const [file] = byId("opened").files;
      if (file) this.bring(file);
      byId("opened").value = "";
    });
    window.addEventListener("hashchange", () => {
      const state = stateOf(location.hash);
      if (!state || !this.facts) return;
      if (state.model && state.model !== this.facts.name) this.hello(state);
      else this.show(state.look);
    });
    on("notice-close", "click", () => { byId("notice").hidden = true; });
    this.dropping();
    this.tabs();
    window.addEventListener("keydown", (event) => this.key(event));
    this.undoable();
  }

  dropping() {
    const sign = byId("drop");
    window.addEventListener("dragover", (event) => {
      event.preventDefault();
      sign.hidden = false;
    });
    window.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) sign.hidden = true;
    });
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      sign.hidden = true;
      const [file] = event.dataTransfer.files;
      if (file) this.bring(file);
    });
  }

  tabs() {
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const choose = (tab) => {
      for (const one of tabs) {
        const chosen = one === tab;
        one.setAttribute("aria-selected", String(chosen));
        one.tabIndex = chosen ? 0 : -1;
        byId(one.getAttribute("aria-controls")).hidden = !chosen;
      }
    };
    tabs.forEach((tab, k) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = tabs[(k + step + tabs.length) % tabs.length];
        choose(next);
        next.focus();
      });
    });
  }

  // Keys that work wherever one is, but in fields of text.
  key(event) {
    const typing = event.target.matches("input:not([type=range]), textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !typing) {
      event.preventDefault();
      this.undo(!event.shiftKey);
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const button = { d: "dice", k: "add", c: "copy", s: "save" }[event.key];
    if (button) byId(button).click();
  }
}

const page = new Page();

// For tests, and for the console.
window.graf = { page, get state() { return page.state(); } };
