// Small parts that the panels share.

export const byId = (id) => document.getElementById(id);

export function made(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  for (const [name, value] of Object.entries(rest))
    if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const rounded = (value, digits = 4) => Number(Number(value).toFixed(digits));
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const copyOf = (value) => structuredClone(value);
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// A label, a slider and a number that say the same. `moved(value, moving)`.
let sliders = 0;
const TELLING = 120; // milliseconds from one number of what moves to the next; none is read sooner
export function slider({ label, title, low, high, step, value, moved }) {
  const id = `slider-${++sliders}`;
  const range = made("input", { type: "range", id, min: low, max: high, step, value });
  const number = made("input", { type: "number", step: "any", value, "aria-label": label });
  const box = made("div", { className: "slider", title: title || label },
    made("label", { htmlFor: id, textContent: label }), range, number);
  range.addEventListener("input", () => {
    number.value = range.value;
    moved(Number(range.value), true);
  });
  range.addEventListener("change", () => moved(Number(range.value), false));
  number.addEventListener("change", () => {
    if (!Number.isFinite(number.valueAsNumber)) number.value = range.value;
    range.value = number.value;
    moved(Number(number.value), false);
  });
  // What says it already is left alone: a page that is written to is laid out and painted again.
  let [last, due] = [value, 0];
  const tell = () => {
    due = 0;
    if (document.activeElement !== number && number.value !== String(last)) number.value = last;
    if (range.value !== String(last)) range.value = last;
  };
  box.set = (next, moving = false) => {
    last = next;
    if (moving) due ||= setTimeout(tell, TELLING);
    else {
      clearTimeout(due);
      tell();
    }
  };
  return box;
}

// A file to keep, by the browser's own way of saving.
export function download(name, data, type) {
  const link = made("a", { href: URL.createObjectURL(new Blob([data], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without leave to write to the clipboard, or in an old browser.
    const box = made("textarea", { value: text, className: "hidden" });
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

// RGBA bytes as a small canvas.
export function canvasOf(data, width, height) {
  const canvas = made("canvas", { width, height });
  const image = new ImageData(new Uint8ClampedArray(data), width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

const LETTERS = 100_000; // of a state in a link

export function fragmentOf(state) {
  const text = encodeURIComponent(JSON.stringify(state));
  return text.length <= LETTERS ? text : "";
}

export function stateOf(fragment) {
  if (fragment.length < 2 || fragment.length > LETTERS) return null;
  try {
    const state = JSON.parse(decodeURIComponent(fragment.slice(1)));
    return state && typeof state === "object" && state.look ? state : null;
  } catch {
    return null;
  }
}
