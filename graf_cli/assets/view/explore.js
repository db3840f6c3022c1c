// The panel of objects: seeds and what lies between them, controls, neighbours, history.

import { byId, canvasOf, copyOf, made, rounded, same, slider } from "./parts.js";

const MOST_SEEDS = 4; // between which a code lies
const SEEDS = 1e6; // of the dice
const SMALL = 72; // pixels of a neighbour
const MOST_HISTORY = 30;
const MOST_FAVOURITES = 60;

const dice = () => Math.floor(Math.random() * SEEDS);
const plain = (name) => name.replace(/[._-]/g, " ");

export class Explore {
  constructor(page) {
    this.page = page;
    this.visited = [];
    this.known = null;
    byId("dice").addEventListener("click", () => this.all(dice()));
    byId("seed").addEventListener("change", () => {
      const seed = byId("seed").valueAsNumber;
      if (Number.isSafeInteger(seed) && seed >= 0) this.all(seed);
    });
    byId("around").addEventListener("click", () => this.around());
    byId("favour").addEventListener("click", () => this.favour());
  }

  met(facts) {
    this.facts = facts;
    this.visited = [];
    this.known = null;
    this.told = null;
    byId("history").replaceChildren();
    byId("neighbours").replaceChildren();
    const none = !facts.blocks.length;
    for (const id of ["dice", "seed", "around"]) byId(id).disabled = none;
    this.controls();
    this.favourites();
  }

  // codes

  all(seed) {
    const codes = {};
    for (const { name } of this.facts.blocks) codes[name] = { seeds: [seed], at: [0, 0] };
    this.object({ codes, rows: null, towards: null });
  }

  object(changes, moving = false) {
    this.page.change(changes, { moving });
    if (!moving) this.page.moved();
  }

  mix(name, change, moving = false) {
    const codes = copyOf(this.page.look.codes);
    codes[name] = { ...codes[name], ...change };
    this.object({ codes }, moving);
  }

  codes() {
    const { look } = this.page;
    const shape = [look.rows ? 1 : 0, Object.values(look.codes).map((mix) => mix.seeds.length)];
    if (same(shape, this.shape)) return this.values(look);
    this.shape = shape;
    if (look.rows) {
      byId("codes").replaceChildren(made("p", { className: "quiet",
        textContent: "A place of its own between the seeds, or codes of a file. " +
          "Look around it, or take a seed." }));
      return undefined;
    }
    byId("codes").replaceChildren(...this.facts.blocks.map((block) => this.block(block)));
    return this.values(look);
  }

  block({ name, part }) {
    const mix = this.page.look.codes[name];
    const box = made("div", { className: "block", dataset: { block: name } });
    const row = made("div", { className: "row" },
      made("b", { textContent: plain(name), title: `Moves ${part}` }));
    const several = mix.seeds.length > 1 ? made("div", { className: "seeds" }) : null;
    mix.seeds.forEach((seed, k) => {
      const input = made("input", { type: "number", min: 0, step: 1, value: seed,
        dataset: { seed: k }, "aria-label": `Seed ${k + 1} of ${plain(name)}` });
      input.addEventListener("change", () => {
        const seeds = [...this.page.look.codes[name].seeds];
        if (Number.isSafeInteger(input.valueAsNumber) && input.valueAsNumber >= 0)
          seeds[k] = input.valueAsNumber;
        this.mix(name, { seeds });
      });
      (several || row).append(input);
    });
    const button = (textContent, title, does) => {
      const one = made("button", { type: "button", textContent, title, "aria-label": title });
      one.addEventListener("click", does);
      row.append(one);
    };
    button("⚄", `Another ${plain(name)}`, () => this.mix(name, { seeds: [dice()], at: [0, 0] }));
    if (mix.seeds.length < MOST_SEEDS)
      button("+", `Mix ${plain(name)} with one more seed`, () =>
        this.mix(name, { seeds: [...this.page.look.codes[name].seeds, dice()] }));
    if (mix.seeds.length > 1)
      button("−", `One seed less of ${plain(name)}`, () => {
        const { seeds, at } = this.page.look.codes[name];
        this.mix(name, { seeds: seeds.slice(0, -1), at: seeds.length > 3 ? at : [at[0], 0] });
      });
    box.append(row, ...(several ? [several] : []));
    const ways = mix.seeds.length > 2 ? ["1 → 2", mix.seeds.length > 3 ? "→ 3, 4" : "→ 3"]
      : mix.seeds.length > 1 ? ["1 → 2"] : [];
    ways.forEach((label, axis) => {
      const one = slider({ label, title: `${plain(name)}, ${label}`, low: 0, high: 1, step: 0.001,
        value: mix.at[axis],
        moved: (value, moving) => {
          const at = [...this.page.look.codes[name].at];
          at[axis] = rounded(Math.min(Math.max(value, 0), 1), 3);
          this.mix(name, { at }, moving);
        } });
      one.dataset.axis = axis;
      box.append(one);
    });
    return box;
  }

  values(look) {
    for (const box of byId("codes").querySelectorAll("[data-block]")) {
      const mix = look.codes[box.dataset.block];
      for (const input of box.querySelectorAll("[data-seed]"))
        if (document.activeElement !== input) input.value = mix.seeds[input.dataset.seed];
      for (const one of box.querySelectorAll("[data-axis]")) one.set(mix.at[one.dataset.axis]);
    }
    const seeds = Object.values(look.codes).map((mix) => (mix.seeds.length === 1 ? mix.seeds[0] : -1));
    const one = seeds.length && seeds.every((seed) => seed === seeds[0]) ? seeds[0] : -1;
    if (document.activeElement !== byId("seed")) byId("seed").value = one >= 0 ? one : "";
  }

  // controls of the family

  controls() {
    this.sliders = new Map();
    const { truncation, controls } = this.facts;
    const rows = [];
    if (truncation.kind !== "none")
      rows.push(slider({
        label: "truncation", title: "Below 1 nearer to the average object",
        low: 0, high: Math.max(1, truncation.default), step: 0.01, value: truncation.default,
        moved: (value, moving) => this.object({ truncation: value }, moving),
      }));
    this.truncation = rows[0] || null;
    for (const control of controls) {
      const title = [control.about, control.unit && `in ${control.unit}`].filter(Boolean).join("; ");
      const switched = control.strict && control.low === 0 && control.high === 1;
      const one = slider({
        label: plain(control.name), title: title || control.name,
        low: control.low, high: control.high, value: control.default,
        step: switched ? 1 : "any",
        moved: (value, moving) => this.object(
          { controls: { ...this.page.look.controls, [control.name]: rounded(value) } }, moving),
      });
      one.dataset.control = control.name;
      this.sliders.set(control.name, one);
      rows.push(one);
    }
    byId("controls").replaceChildren(...rows);
    byId("controls-box").hidden = !rows.length;
  }

  changed(look, moving) {
    const { codes, rows, truncation, controls } = look;
    const known = [codes, rows, truncation, controls, this.facts];
    if (this.known && known.every((one, k) => one === this.known[k])) return; // the camera alone
    this.known = known;
    this.codes();
    if (this.truncation)
      this.truncation.set(truncation ?? this.facts.truncation.default, moving);
    for (const control of this.facts.controls)
      this.sliders.get(control.name).set(controls[control.name] ?? control.default, moving);
  }

  // neighbours

  around() {
    const share = byId("step").valueAsNumber;
    const here = copyOf(this.page.look);
    const looks = Array.from({ length: 9 }, (_, k) =>
      k === 4 ? here : { ...here, towards: [dice(), share] });
    const cells = looks.map((look, k) => {
      const cell = made("button", { type: "button", disabled: true,
        title: k === 4 ? "Here" : "Walk there", "aria-label": k === 4 ? "Here" : `Neighbour ${k < 4 ? k + 1 : k}` });
      if (k === 4) cell.setAttribute("aria-current", "true");
      cell.addEventListener("click", () => this.walk(look, k === 4));
      return cell;
    });
    byId("neighbours").replaceChildren(...cells);
    this.page.link.ask({ do: "thumbs", looks, window: [SMALL, SMALL], name: "around" }, (answer) => {
      if (answer.is === "problem") this.page.problem(answer.text);
      if (answer.is !== "picture" || !cells[answer.of]) return;
      cells[answer.of].replaceChildren(canvasOf(answer.data, answer.width, answer.height));
      cells[answer.of].disabled = false;
    });
  }

  // A neighbour's codes are numbers, from which the next step goes on.
  async walk(look, here) {
    if (here) return;
    const line = await this.page.link.once({ do: "line", look, window: [SMALL, SMALL] });
    const rows = line.recipe.plan.subject.rows;
    this.page.change({ codes: {}, towards: null, rows });
    this.page.moved();
    this.around();
  }

  // what was seen, and what is kept

  seen(look) {
    const object = { codes: look.codes, rows: look.rows, controls: look.controls };
    if (this.told && same(this.told, object)) return;
    this.told = object;
    this.visited.unshift({ look: copyOf(look), canvas: this.page.screen.small() });
    this.visited.length = Math.min(this.visited.length, MOST_HISTORY);
    byId("history").replaceChildren(...this.visited.map(({ look: then, canvas }, k) => {
      const button = made("button", { type: "button", title: "Go back there",
        "aria-label": `Object ${k + 1} of the history` }, canvas);
      button.addEventListener("click", () => this.page.show(then));
      return button;
    }));
  }

  get key() {
    return `graf favourites ${this.facts.told}`;
  }

  kept() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key) || "[]");
      return Array.isArray(kept) ? kept : [];
    } catch {
      return [];
    }
  }

  favour() {
    const picture = this.page.screen.small(64).toDataURL("image/jpeg", 0.8);
    const kept = [{ look: this.page.look, picture }, ...this.kept()].slice(0, MOST_FAVOURITES);
    this.keep(kept);
    this.page.status("Kept among the favourites.");
  }

  keep(kept) {
    try {
      localStorage.setItem(this.key, JSON.stringify(kept));
    } catch {
      this.page.problem("The browser keeps no more favourites; remove some.");
    }
    this.favourites();
  }

  favourites() {
    byId("favourites").replaceChildren(...this.kept().map((one, k) => {
      const canvas = made("canvas", { width: 64, height: 64 });
      const image = new Image();
      image.addEventListener("load", () => canvas.getContext("2d").drawImage(image, 0, 0));
      image.src = one.picture;
      const button = made("button", { type: "button",
        title: "Show it; Delete removes it", "aria-label": `Favourite ${k + 1}` }, canvas);
      const forget = made("button", { type: "button", className: "forget", textContent: "×",
        title: "Remove it", "aria-label": `Remove favourite ${k + 1}` });
      const removed = () => this.keep(this.kept().filter((_, other) => other !== k));
      button.addEventListener("click", () => this.page.show(one.look));
      button.addEventListener("keydown", (event) => event.key === "Delete" && removed());
      forget.addEventListener("click", removed);
      return made("div", { className: "kept" }, button, forget);
    }));
  }

  // Codes or cameras of a file: one to choose each.
  brought(looks, name) {
    if (!looks || looks.length < 2 || !looks[0].rows) return;
    const box = made("div", { className: "row" }, made("span", { className: "grow quiet",
      textContent: `${looks.length} objects of ${name}` }));
    const input = made("input", { type: "number", min: 1, max: looks.length, value: 1,
      "aria-label": `Object of ${name}` });
    input.addEventListener("change", () => {
      const look = looks[Math.min(Math.max(input.valueAsNumber || 1, 1), looks.length) - 1];
      this.object({ codes: {}, towards: null, rows: look.rows });
    });
    box.append(input);
    byId("codes").append(box);
  }
}
