// The controls of one side: which layer, which band, which colours, which range.

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

function ends(parent, id) {
  return ["from", "to"].map((name) => {
    const input = document.createElement("input");
    input.type = "number";
    input.step = "any";
    input.id = `${id}-${name}`;
    return control(parent, name, input);
  });
}

function short(value) {
  return Number(value.toPrecision(5));
}

function fill(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

// Bands one by one, and three at a time where there are three.
function bandChoices(bands) {
  const single = bands.map((name, index) => [`${index + 1}`, bands.length > 1 ? `${index + 1}: ${name}` : name]);
  const triples = [[3, 2, 1], [1, 2, 3], [4, 3, 2]].filter((three) => Math.max(...three) <= bands.length);
  return single.concat(triples.map((three) => [three.join(","), `red, green, blue = ${three.join(", ")}`]));
}

export class Panel {
  constructor(parent, session, layer, changed) {
    const id = parent.id;
    this.session = session;
    this.changed = changed;
    const first = row(parent, "two"), second = row(parent, "three");
    this.layer = chooser(first, "Layer", `${id}-layer`);
    this.bands = chooser(first, "Band", `${id}-bands`);
    this.ramp = chooser(second, "Colours", `${id}-ramp`);
    this.ends = ends(second, id);
    this.bar = document.createElement("canvas");
    this.bar.className = "ramp";
    this.bar.width = 256;
    this.bar.height = 1;
    this.bar.setAttribute("aria-hidden", "true");
    parent.append(this.bar);
    this.ticks = row(parent, "ticks");
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.legend.setAttribute("aria-label", "Classes: choose one to hide or show it");
    parent.append(this.legend);
    this.hidden = new Set();
    fill(this.layer, session.layers.map((each, index) => [String(index), each.name]));
    fill(this.ramp, Object.keys(session.ramps).map((name) => [name, name]));
    this.layer.value = String(layer);
    this.layer.addEventListener("change", () => this.chosen());
    this.bands.addEventListener("change", () => this.range());
    for (const each of [this.ramp, ...this.ends]) each.addEventListener("change", () => this.show());
    this.chosen();
  }

  get described() { return this.session.layers[Number(this.layer.value)]; }

  get numbers() { return this.bands.value.split(",").map(Number); }

  // The classes of the band, where it is drawn as a map of classes.
  get classes() {
    if (this.ramp.value !== "labels" || this.numbers.length > 1) return [];
    return this.described.classes[this.numbers[0] - 1];
  }

  // What a value of a band is called.
  named(value, band) {
    const found = (this.described.classes[band - 1] ?? []).find((each) => String(each.value) === value);
    return found && found.name !== value ? `${value} ${found.name}` : value;
  }

  chosen() {
    this.hidden.clear();
    fill(this.bands, bandChoices(this.described.bands));
    this.ramp.value = this.described.ramp;
    this.range();
  }

  range() {
    const spans = this.numbers.map((band) => this.described.spans[band - 1]);
    this.spans = spans;
    this.ends.forEach((input, end) => { input.value = short(spans[0][end]); });
    this.show();
  }

  // One range for one band; three bands keep their own.
  show() {
    const many = this.numbers.length > 1;
    const labels = this.ramp.value === "labels" && !many;
    for (const input of this.ends) input.disabled = many || labels;
    this.ramp.disabled = many;
    const [low, high] = this.ends.map((input) => Number(input.value));
    if (!many && low < high) this.spans = [[low, high]];
    const pen = this.bar.getContext("2d");
    const stops = this.session.ramps[this.ramp.value];
    const paint = pen.createLinearGradient(0, 0, 256, 0);
    stops.forEach((colour, index) => {
      if (labels) {
        paint.addColorStop(index / stops.length, colour);
        paint.addColorStop((index + 1) / stops.length, colour);
      } else paint.addColorStop(index / (stops.length - 1), colour);
    });
    pen.fillStyle = paint;
    pen.fillRect(0, 0, 256, 1);
    this.bar.hidden = many || this.classes.length > 0;
    this.explain(labels);
    this.changed();
  }

  // Ticks under a ramp, or the classes with their names and shares.
  explain(labels) {
    this.ticks.hidden = this.bar.hidden || labels;
    const unit = this.described.units[this.numbers[0] - 1] ?? "";
    const [low, high] = this.spans[0];
    const places = [0, 0.25, 0.5, 0.75, 1].map((share) => short(low + share * (high - low)));
    this.ticks.replaceChildren(...places.map((value, index) => {
      const tick = document.createElement("span");
      tick.textContent = index === 4 && unit ? `${value} ${unit}` : String(value);
      return tick;
    }));
    this.legend.hidden = !this.classes.length;
    const largest = [...this.classes].sort((one, other) => other.share - one.share);
    this.legend.replaceChildren(...largest.map((each) => this.entry(each)));
  }

  entry(each) {
    const line = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(!this.hidden.has(each.value)));
    const swatch = document.createElement("span"), name = document.createElement("span"), share = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = each.color;
    name.textContent = each.name;
    share.className = "share";
    share.textContent = `${(100 * each.share).toFixed(1)} %`;
    button.append(swatch, name, share);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(each.value)) this.hidden.add(each.value);
      button.setAttribute("aria-pressed", String(!this.hidden.has(each.value)));
      this.changed();
    });
    line.append(button);
    return line;
  }

  // Take the colours and the range of another side.
  match(other) {
    if (this.numbers.length > 1 || other.numbers.length > 1) return;
    this.ramp.value = other.ramp.value;
    this.hidden = new Set(other.hidden);
    this.ends.forEach((input, end) => { input.value = other.ends[end].value; });
    this.show();
  }

  // What the scene asks tiles for.
  get look() {
    const query = new URLSearchParams({
      bands: this.bands.value, ramp: this.ramp.value, span: this.spans.flat().join(","),
    });
    if (this.classes.length && this.hidden.size) query.set("hide", [...this.hidden].join(","));
    return { layer: Number(this.layer.value), query: query.toString() };
  }

  get title() {
    const name = this.described.name;
    return this.described.bands.length > 1 ? `${name}, ${this.bands.selectedOptions[0].textContent}` : name;
  }
}
