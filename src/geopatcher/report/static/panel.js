// The controls of one side: which layer, which bands, which colours, which range.

import { Bar } from "/bar.js";
import { Histogram, short } from "/histogram.js";
import { fillLegend } from "/legend.js";

const RGB = "rgb"; // what is chosen in the place of a band
const COLORS = ["red", "green", "blue"];

function control(parent, name, element) {
  const label = document.createElement("label");
  label.textContent = name;
  label.append(element);
  parent.append(label);
  return element;
}

function chooser(parent, name, id) {
  const select = document.createElement("select");
  select.id = id;
  return control(parent, name, select);
}

function row(parent, className) {
  const line = document.createElement("div");
  line.className = className;
  parent.append(line);
  return line;
}

export function ends(parent, id) {
  return ["from", "to"].map((name) => {
    const input = document.createElement("input");
    input.type = "number";
    input.step = "any";
    input.id = `${id}-${name}`;
    return control(parent, name, input);
  });
}

export function button(parent, id, text, clicked) {
  const found = document.createElement("button");
  found.type = "button";
  found.id = id;
  found.textContent = text;
  found.addEventListener("click", clicked);
  parent.append(found);
  return found;
}

function fill(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

// What bands are called, with their numbers where there are several.
function bandChoices(bands) {
  return bands.map((name, index) => [`${index + 1}`, bands.length > 1 ? `${index + 1}: ${name}` : name]);
}

export class Panel {
  // ask: gives the answer of the server to an address.
  constructor(parent, session, layer, ask, changed) {
    const id = parent.id;
    Object.assign(this, { session, ask, changed });
    const first = row(parent, "two");
    this.layer = chooser(first, "Layer", `${id}-layer`);
    this.bands = chooser(first, "Band", `${id}-bands`);
    this.three = row(parent, "even");
    this.colors = COLORS.map((name) => chooser(this.three, name, `${id}-${name}`));
    this.second = row(parent, "three");
    this.ramp = chooser(this.second, "Colours", `${id}-ramp`);
    this.ends = ends(this.second, id);
    this.histogram = new Histogram(parent, parent.querySelector("legend").textContent.toLowerCase(), (span) => {
      this.spans = [span];
      this.show();
    });
    button(this.histogram.buttons, `${id}-middle`, "2–98 %", () => this.stretch("middle"));
    button(this.histogram.buttons, `${id}-all`, "Min–max", () => this.stretch("whole"));
    this.bar = new Bar(parent);
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.legend.setAttribute("aria-label", "Classes: choose one to hide or show it");
    parent.append(this.legend);
    this.hidden = new Set();
    this.spread = null; // what is known of the values of the band
    fill(this.layer, session.layers.map((each, index) => [String(index), each.name]));
    fill(this.ramp, Object.keys(session.ramps).map((name) => [name, name]));
    this.layer.value = String(layer);
    this.layer.addEventListener("change", () => this.chosen());
    for (const each of [this.bands, ...this.colors]) each.addEventListener("change", () => this.range());
    this.ramp.addEventListener("change", () => this.show());
    for (const each of this.ends) each.addEventListener("change", () => this.typed());
    this.chosen();
  }

  get described() { return this.session.layers[Number(this.layer.value)]; }

  // The bands that are shown, counted from 1: one or three.
  get numbers() {
    return this.bands.value === RGB ? this.colors.map((each) => Number(each.value)) : [Number(this.bands.value)];
  }

  get many() { return this.numbers.length > 1; }

  get unit() { return this.described.units[this.numbers[0] - 1] ?? ""; }

  // The classes of the band, where it is drawn as a map of classes.
  get classes() {
    return this.ramp.value !== "labels" || this.many ? [] : this.described.classes[this.numbers[0] - 1];
  }

  // What a value of a band is called.
  named(value, band) { return named(this.described, value, band); }

  // A layer: three bands where it is known that they are a picture as an eye sees it.
  chosen() {
    const { bands, rgb, ramp } = this.described;
    this.hidden.clear();
    const names = bandChoices(bands);
    fill(this.bands, bands.length > 2 ? names.concat([[RGB, rgb ? "true colour" : "red, green, blue"]]) : names);
    const usual = rgb ?? [1, 2, 3];
    this.colors.forEach((each, index) => {
      fill(each, names);
      if (bands.length > 2) each.value = String(usual[index]);
    });
    this.bands.value = rgb ? RGB : "1";
    this.ramp.value = ramp;
    this.range();
  }

  range() {
    this.spans = this.numbers.map((band) => this.described.spans[band - 1]);
    this.spread = null;
    this.show();
    this.count();
  }

  // The server knows more of its layers than it did before: what nobody chose follows.
  renewed(before) {
    const { spans, ramp } = before[Number(this.layer.value)];
    const usual = this.numbers.map((band) => spans[band - 1]).join();
    if (this.spans.join() !== usual || this.ramp.value !== ramp) this.count();
    else {
      this.ramp.value = this.described.ramp;
      this.range();
    }
  }

  counted(band) { return this.ask(`/histogram/${this.layer.value}?band=${band}`); }

  async count() {
    if (this.many) return;
    const wanted = `${this.layer.value} ${this.bands.value}`;
    const found = await this.counted(this.numbers[0]);
    if (wanted !== `${this.layer.value} ${this.bands.value}`) return; // another band was chosen meanwhile
    this.spread = found;
    this.histogram.show(found, this.spans[0]);
  }

  async stretch(part) {
    const bands = this.numbers;
    const found = await Promise.all(bands.map((band) => this.counted(band)));
    if (bands.join() !== this.numbers.join()) return;
    this.spans = found.map((each) => each[part]);
    this.show();
  }

  typed() {
    const [low, high] = this.ends.map((input) => Number(input.value));
    if (low < high) this.spans = [[low, high]];
    this.show();
  }

  // Bring all controls in line with what is chosen.
  show() {
    const { many } = this, labels = this.ramp.value === "labels" && !many;
    this.three.hidden = !many;
    this.second.hidden = many;
    for (const input of this.ends) input.parentElement.hidden = labels;
    this.ends.forEach((input, end) => { input.value = short(this.spans[0][end]); });
    this.histogram.hide(many || labels);
    this.histogram.buttons.hidden = labels;
    this.histogram.show(this.spread, this.spans[0]);
    this.explain(labels);
    this.changed();
  }

  // Ticks under a ramp, or the classes with their names and shares.
  explain(labels) {
    this.bar.hide(this.many || this.classes.length > 0);
    this.bar.show(this.session.ramps[this.ramp.value], this.spans[0], this.unit, labels);
    this.legend.hidden = !this.classes.length;
    fillLegend(this.legend, this.classes, this.hidden, () => this.changed());
  }

  // Take the colours and the range of another side.
  match(other) {
    if (this.many || other.many) return;
    this.ramp.value = other.ramp.value;
    this.hidden = new Set(other.hidden);
    this.spans = other.spans.map((span) => [...span]);
    this.show();
  }

  // What is chosen, for an address of this page.
  get choice() {
    return {
      layer: this.described.name, bands: this.numbers.join(","), ramp: this.ramp.value,
      span: this.spans.flat().map(short).join(","), hide: [...this.hidden].join(","),
    };
  }

  // Choose what an address says, as far as there is such a thing.
  choose({ layer, bands, ramp, span, hide }) {
    const index = this.session.layers.findIndex((each) => each.name === layer);
    if (index < 0) return;
    this.layer.value = String(index);
    this.chosen();
    const numbers = (bands ?? "").split(",").map(Number), count = this.described.bands.length;
    if ([1, 3].includes(numbers.length) && numbers.every((band) => Number.isInteger(band) && band > 0 && band <= count)) {
      this.bands.value = numbers.length > 1 ? RGB : String(numbers[0]);
      if (numbers.length > 1) this.colors.forEach((each, at) => { each.value = String(numbers[at]); });
    }
    if (ramp in this.session.ramps) this.ramp.value = ramp;
    this.range();
    const values = (span ?? "").split(",").map(Number);
    const pairs = this.numbers.map((_, at) => values.slice(2 * at, 2 * at + 2));
    if (pairs.every(([low, high]) => low < high)) this.spans = pairs;
    this.hidden = new Set((hide ?? "").split(",").filter((text) => /^-?\d+$/.test(text)).map(Number));
    this.show();
  }

  // What the scene asks tiles for.
  get look() {
    const query = new URLSearchParams({
      bands: this.numbers.join(","), ramp: this.ramp.value, span: this.spans.flat().join(","),
    });
    if (this.classes.length && this.hidden.size) query.set("hide", [...this.hidden].join(","));
    return { path: `/tile/${this.layer.value}`, query: query.toString() };
  }

  get title() {
    const name = this.described.name;
    return this.described.bands.length > 1 ? `${name}, ${this.bands.selectedOptions[0].textContent}` : name;
  }
}

// What a stored number of a band of a layer stands for; null where it stands for itself.
function meant(layer, value, band) {
  const known = layer.scales[band - 1];
  return known && (known[0] !== 1 || known[1] !== 0) ? Number(value) * known[0] + known[1] : null;
}

// What a value of a band of a layer is called; of a stored number it is what it stands for.
export function named(layer, value, band) {
  const quantity = value === "nodata" ? null : meant(layer, value, band);
  if (quantity !== null) return `${Number(quantity.toPrecision(6))} (stored ${value})`;
  const found = (layer.classes[band - 1] ?? []).find((each) => String(each.value) === value);
  return found && found.name !== value ? `${value} ${found.name}` : value;
}
