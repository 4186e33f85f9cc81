// How left and right are compared: beside, over, or less one another.

import { Bar } from "/bar.js";
import { Histogram, short } from "/histogram.js";
import { button } from "/panel.js";
import { MODES } from "/scene.js";

const BLINK_MS = 700;
const RAMP = "diverging"; // of differences
const by = (id) => document.getElementById(id);

export class Compare {
  constructor(scene, panels, ask, changed) {
    Object.assign(this, { scene, panels, ask, changed });
    this.span = null; // of the difference; null until somebody, or what is known of it, says
    this.of = "";
    this.mode = by("compare");
    this.opacity = by("opacity");
    this.histogram = new Histogram(by("difference"), "left less right", (span) => this.ranged(span));
    button(this.histogram.buttons, "difference-middle", "2–98 %", () => this.ranged(this.even("middle")));
    button(this.histogram.buttons, "difference-all", "Min–max", () => this.ranged(this.even("whole")));
    this.bar = new Bar(by("difference"));
    this.mode.addEventListener("change", () => this.choose(this.mode.value));
    this.opacity.addEventListener("input", () => this.see(Number(this.opacity.value) / 100));
    setInterval(() => { if (scene.mode === "blink" && !document.hidden) this.blink(); }, BLINK_MS);
  }

  blink() {
    this.scene.blinked = 1 - this.scene.blinked;
    this.flags();
    this.scene.draw();
  }

  see(opacity) {
    this.scene.opacity = Math.min(1, Math.max(0, opacity));
    this.opacity.value = String(Math.round(100 * this.scene.opacity));
    this.scene.draw();
    this.changed();
  }

  choose(mode) {
    if (!MODES.includes(mode)) return;
    this.mode.value = this.scene.mode = mode;
    this.update();
    this.changed();
  }

  // A range around zero, so that its colour is in the middle.
  even(part) {
    const [low, high] = this.known?.[part] ?? [-1, 1];
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return [-most, most].map(short);
  }

  ranged(span) {
    this.span = span;
    this.update();
    this.changed();
  }

  // Bring the scene, the flags and the controls in line with what is chosen.
  update() {
    const { scene, panels } = this;
    by("swipe").hidden = scene.mode !== "swipe";
    by("opacity-row").hidden = scene.mode !== "blend";
    by("difference").hidden = scene.mode !== "difference";
    for (const id of ["side-right", "name-right", "match"]) by(id).hidden = !scene.split;
    by("value-right").parentElement.hidden = !scene.split;
    scene.looks = panels.map((panel) => panel.look);
    if (scene.mode === "difference") this.subtract();
    this.flags();
    scene.draw();
  }

  flags() {
    const [left, right] = this.panels.map((panel) => panel.title);
    const { mode, blinked } = this.scene;
    const shown = {
      one: [left, ""], swipe: [left, right], side: [left, right], blend: [left, `${right} over it`],
      blink: blinked ? ["", right] : [left, ""], difference: [`${left} − ${right}`, ""],
    }[mode];
    ["left", "right"].forEach((side, index) => {
      by(`flag-${side}`).textContent = shown[index];
      by(`flag-${side}`).hidden = !shown[index];
    });
  }

  // Three bands less three, color by color; where only one side has three, the first of them.
  async subtract() {
    const { scene, panels } = this;
    const many = panels.every((panel) => panel.many);
    const layers = panels.map((panel) => panel.layer.value);
    const bands = panels.map((panel) => (many ? panel.numbers : panel.numbers.slice(0, 1)).join(","));
    const asked = `${layers.join("/")}?first=${bands[0]}&second=${bands[1]}`;
    const look = () => {
      const [low, high] = this.span ?? [-1, 1];
      const [path, query] = asked.split("?");
      scene.difference = { path: `/difference/${path}`, query: `${query}&span=${low},${high}` };
    };
    if (asked !== this.of) {
      scene.difference = null;
      const [first, of] = [this.of === "", asked];
      this.of = of;
      const known = await this.ask(`/histogram/${asked}`);
      if (this.of !== of) return; // something else was chosen meanwhile
      this.known = known;
      if (!first || !this.span) this.span = this.even("middle");
    }
    const units = panels.map((panel) => panel.unit), span = this.span ?? [-1, 1];
    this.histogram.show(this.known ?? null, span);
    this.bar.show(scene.session.ramps[many ? "grey" : RAMP], span, units[0] === units[1] ? units[0] : "");
    look();
    scene.draw();
  }
}
