// Places that were clicked, with what all layers hold there.

import { named } from "/panel.js";

const BANDS = 8; // of a layer, listed
const MOST = 9;

export class Pins {
  constructor(parent, scene, ask, changed) {
    Object.assign(this, { scene, ask, changed, section: parent, list: parent.querySelector("ol") });
    parent.querySelector("button").addEventListener("click", () => this.set([]));
    this.told = new Map(); // what the server said of a place
  }

  // Pin a place; once more, and it is let go.
  toggle(row, col) {
    if (!this.scene.inside(row, col)) return;
    const place = [Math.floor(row), Math.floor(col)];
    const others = this.scene.pins.filter((pin) => pin.join() !== place.join());
    this.set(others.length < this.scene.pins.length ? others : others.concat([place]).slice(-MOST));
  }

  set(places) {
    this.scene.pins = places.filter((place) => this.scene.inside(...place)).slice(0, MOST);
    this.section.hidden = !this.scene.pins.length;
    this.list.replaceChildren(...this.scene.pins.map((place) => this.entry(place)));
    this.scene.draw();
    this.changed();
  }

  entry([row, col]) {
    const { layers } = this.scene.session;
    const line = document.createElement("li"), head = document.createElement("strong");
    const table = document.createElement("dl"), gone = document.createElement("button");
    head.textContent = `row ${row}, column ${col}`;
    gone.type = "button";
    gone.textContent = "×";
    gone.setAttribute("aria-label", `Remove the pin at row ${row}, column ${col}`);
    gone.addEventListener("click", () => this.toggle(row, col));
    layers.forEach((layer, index) => {
      const name = document.createElement("dt"), value = document.createElement("dd");
      name.textContent = layer.name;
      value.textContent = "…";
      table.append(name, value);
      this.values(index, row, col).then(
        (cells) => { value.textContent = this.words(layer, cells); },
        () => { value.textContent = "not read"; },
      );
    });
    line.append(head, gone, table);
    return line;
  }

  values(layer, row, col) {
    const address = `/value/${layer}?row=${row}&col=${col}`;
    if (!this.told.has(address)) this.told.set(address, this.ask(address).then((found) => found.values));
    return this.told.get(address);
  }

  words(layer, cells) {
    const said = cells.slice(0, BANDS).map((value, index) => named(layer, value ?? "nodata", index + 1));
    return said.join(", ") + (cells.length > BANDS ? ` and ${cells.length - BANDS} more` : "");
  }
}
