// What is seen, in the address of the page: a reload, or the link given to another, shows the same.

const WAIT_MS = 150;

const numbers = (text) => (text ?? "").split(",").map(Number);

export class Place {
  // parts: scene, panels, pins and controls; what is chosen is read from them, and told to them.
  constructor(parts) {
    Object.assign(this, parts);
    this.waiting = 0;
    this.written = "";
    window.addEventListener("hashchange", () => { if (location.hash !== this.written) this.read(); });
  }

  // Write it down soon: many changes follow one another.
  later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.write(), WAIT_MS);
  }

  write() {
    const { scene, panels } = this;
    const said = new URLSearchParams();
    said.set("at", [...scene.centre, scene.scale].map((value) => Number(value.toPrecision(8))).join(","));
    said.set("compare", scene.mode);
    said.set("swipe", scene.swipe.toFixed(3));
    said.set("opacity", scene.opacity.toFixed(2));
    said.set("difference", this.controls.difference().join(","));
    if (scene.patches) said.set("patches", "1");
    if (scene.pins.length) said.set("pins", scene.pins.flat().join(","));
    ["left", "right"].forEach((side, index) => {
      for (const [name, value] of Object.entries(panels[index].choice)) if (value) said.set(`${side}.${name}`, value);
    });
    this.written = `#${said}`;
    history.replaceState(null, "", this.written);
  }

  // Show what the address says; returns whether it says where to look.
  read() {
    const { scene, panels, pins, controls } = this;
    const said = new URLSearchParams(location.hash.slice(1));
    ["left", "right"].forEach((side, index) => {
      const names = ["layer", "bands", "ramp", "span", "hide"];
      panels[index].choose(Object.fromEntries(names.map((name) => [name, said.get(`${side}.${name}`) ?? undefined])));
    });
    if (said.has("swipe")) controls.swipe(Number(said.get("swipe")) || 0);
    if (said.has("opacity")) controls.opacity(Number(said.get("opacity")) || 0);
    const [low, high] = numbers(said.get("difference"));
    if (low < high) controls.difference([low, high]);
    if (said.has("compare")) controls.compare(said.get("compare"));
    controls.patches(said.has("patches"));
    const places = numbers(said.get("pins"));
    if (said.has("pins")) pins.set(places.flatMap((row, at) => (at % 2 ? [] : [[row, places[at + 1]]])));
    const [row, col, scale] = numbers(said.get("at"));
    const somewhere = said.has("at") && [row, col, scale].every(Number.isFinite) && scale > 0;
    if (somewhere) scene.look(row, col, scale);
    return somewhere;
  }
}
