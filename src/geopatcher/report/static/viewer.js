// The page: what belongs to what, and what is written under the cursor.

import { Compare } from "/compare.js";
import { keyboard, pointer, swiping } from "/input.js";
import { overCursor } from "/overlays.js";
import { Panel } from "/panel.js";
import { Pins } from "/pins.js";
import { Place } from "/place.js";
import { Scene } from "/scene.js";

const LATE_MS = 200; // after which it is said that tiles are on their way
const by = (id) => document.getElementById(id);
const write = (id, text) => { by(id).textContent = text; };

async function ask(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// The cells under the cursor, asked for one at a time: the newest wish wins.
class Readout {
  constructor(scene, panels) {
    this.scene = scene;
    this.panels = panels;
    this.busy = false;
    this.wish = null;
  }

  at(row, col) {
    const { session } = this.scene;
    const inside = this.scene.inside(row, col);
    this.scene.cursor = inside ? [Math.floor(row), Math.floor(col)] : null;
    if (this.scene.patches || this.scene.cross) this.scene.draw();
    if (!inside) {
      this.wish = null;
      for (const id of ["at-pixel", "at-place", "at-lonlat", "value-left", "value-right", "at-patches"]) write(id, "-");
      return;
    }
    const [r, c] = this.scene.cursor;
    const [a, b, x0, d, e, y0] = session.transform;
    const place = [a * (c + 0.5) + b * (r + 0.5) + x0, d * (c + 0.5) + e * (r + 0.5) + y0];
    write("at-pixel", `${r}, ${c}`);
    write("at-place", session.crs ? place.map((value) => Number(value.toPrecision(10))).join(", ") : "-");
    write("at-patches", session.patches ? String(overCursor(this.scene).length) : "-");
    this.wish = [r, c];
    this.next();
  }

  again() { if (this.scene.cursor) this.at(...this.scene.cursor); }

  async next() {
    if (this.busy || !this.wish) return;
    this.busy = true;
    const [row, col] = this.wish;
    this.wish = null;
    try {
      const panels = this.scene.split ? this.panels : this.panels.slice(0, 1);
      const found = await Promise.all(
        panels.map((panel) => ask(`/value/${panel.layer.value}?row=${row}&col=${col}`)));
      const [r, c] = this.scene.cursor ?? [null, null];
      if (r === row && c === col) {
        ["value-left", "value-right"].forEach((id, side) => {
          const cells = found[side]?.values;
          write(id, cells ? panels[side].numbers.map((band) => panels[side].named(cells[band - 1] ?? "nodata", band)).join(", ") : "-");
        });
        write("at-lonlat", found[0].lonlat ? found[0].lonlat.join(", ") : "-");
      }
    } finally {
      this.busy = false;
      this.next();
    }
  }
}

// While the server reads a raster without overviews, what it knows grows.
async function follow(scene, panels) {
  let known = { share: 1, settled: 0 };
  for (;;) {
    await new Promise((wake) => { setTimeout(wake, 700); });
    let now;
    try {
      now = await ask("/progress");
      if (now.settled !== known.settled) { // what was read from end to end looks as it does in the report
        const before = scene.session.layers;
        scene.session.layers = (await ask("/session")).layers;
        for (const panel of panels) panel.renewed(before);
      }
    } catch {
      by("progress").hidden = false;
      write("progress", "The viewer has ended: start it again and reload this page.");
      return;
    }
    by("progress").hidden = now.share >= 1;
    write("progress", `No overviews: reading all of it, ${Math.floor(100 * now.share)} %`);
    if (now.settled !== known.settled || Math.abs(now.share - known.share) > 0.05) {
      known = now;
      scene.version += 1;
      scene.draw();
    }
  }
}

// A sign while tiles are on their way, unless they are there at once.
function loading() {
  let waiting = 0;
  return (idle) => {
    if (idle) {
      clearTimeout(waiting);
      waiting = 0;
      by("loading").hidden = true;
    } else waiting ||= setTimeout(() => { by("loading").hidden = false; }, LATE_MS);
  };
}

function head(session) {
  document.title = `${session.title}: geopatcher`;
  write("title", session.title);
  write("facts", `${session.height} x ${session.width} pixels, ${session.crs ?? "no georeference"}`);
  const { patches } = session;
  write("patches-note", patches
    ? `${patches.count} patches of ${patches.rows.size} x ${patches.cols.size}, step ${patches.rows.step} x ${patches.cols.step}`
    : "It is not known where patches lie.");
  by("patches-on").disabled = !patches;
}

// What keys and the address of the page may change, by name.
function controlled(scene, compare, swipe) {
  return {
    compare: (mode) => compare.choose(mode),
    opacity: (share) => compare.see(share),
    difference: (span) => {
      if (span) compare.ranged(span);
      return compare.span ?? [];
    },
    patches: (on) => {
      scene.patches = on && !by("patches-on").disabled;
      by("patches-on").checked = scene.patches;
      scene.draw();
    },
    swipe,
  };
}

async function begin() {
  const session = await ask("/session");
  head(session);
  const scene = new Scene(by("map"), session, []);
  const panels = [];
  const readout = new Readout(scene, panels);
  const seen = { compare: null, place: null }; // once both panels are there
  const later = () => seen.place?.later();
  const show = () => {
    if (!seen.compare) return;
    ["left", "right"].forEach((side, index) => write(`name-${side}`, panels[index].described.name));
    seen.compare.update();
    readout.again();
    later();
  };
  const names = session.layers.map((layer) => layer.name);
  const second = names.includes("input") ? names.indexOf("input") : Math.min(1, names.length - 1);
  panels.push(new Panel(by("side-left"), session, 0, ask, show));
  panels.push(new Panel(by("side-right"), session, second, ask, show));
  const compare = new Compare(scene, panels, ask, () => { readout.again(); later(); });
  const pins = new Pins(by("pins"), scene, ask, later);
  const move = swiping(scene, by("swipe"));
  const swipe = (share) => { move(share); later(); };
  const controls = controlled(scene, compare, swipe);
  const sign = loading();
  scene.drawn = (idle) => { sign(idle); later(); };
  const save = () => scene.save(`${session.title}.png`, getComputedStyle(document.body).backgroundColor);
  pointer(scene, readout, (...place) => pins.toggle(...place));
  keyboard(scene, readout, {
    "[": () => swipe(scene.swipe - 0.02),
    "]": () => swipe(scene.swipe + 0.02),
    p: () => controls.patches(!scene.patches),
    b: () => { compare.choose("blink"); compare.blink(); },
    enter: () => { if (scene.cursor) pins.toggle(...scene.cursor); },
    s: save,
  });
  by("patches-on").addEventListener("change", () => controls.patches(by("patches-on").checked));
  by("match").addEventListener("click", () => panels[1].match(panels[0]));
  by("save").addEventListener("click", save);
  by("zoom-in").addEventListener("click", () => scene.zoom(1.5));
  by("zoom-out").addEventListener("click", () => scene.zoom(1 / 1.5));
  by("zoom-fit").addEventListener("click", () => scene.fit());
  new ResizeObserver(() => scene.draw()).observe(scene.canvas);
  seen.compare = compare;
  swipe(0.5);
  controls.opacity(0.5);
  compare.choose(names.length > 1 ? "swipe" : "one");
  show();
  const place = new Place({ scene, panels, pins, controls });
  if (!place.read()) scene.fit();
  seen.place = place;
  document.body.dataset.ready = "true";
  follow(scene, panels);
}

begin().catch((error) => {
  by("progress").hidden = false;
  write("progress", `The viewer could not start: ${error.message}`);
});
