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

  chosen() {
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
    this.bar.hidden = many;
    this.changed();
  }

  // Take the colours and the range of another side.
  match(other) {
    if (this.numbers.length > 1 || other.numbers.length > 1) return;
    this.ramp.value = other.ramp.value;
    this.ends.forEach((input, end) => { input.value = other.ends[end].value; });
    this.show();
  }

  // What the scene asks tiles for.
  get look() {
    const query = new URLSearchParams({
      bands: this.bands.value, ramp: this.ramp.value, span: this.spans.flat().join(","),
    });
    return { layer: Number(this.layer.value), query: query.toString() };
  }

  get title() {
    const name = this.described.name;
    return this.described.bands.length > 1 ? `${name}, ${this.bands.selectedOptions[0].textContent}` : name;
  }
}
