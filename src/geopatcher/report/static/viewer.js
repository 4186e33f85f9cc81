// The page: events of the pointer and the keyboard, and what is written under the cursor.

import { Panel } from "/panel.js";
import { Scene } from "/scene.js";

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
    write("at-patches", session.patches ? String(this.scene.over_cursor().length) : "-");
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

function pointer(scene, readout) {
  const { canvas } = scene;
  const fingers = new Map();
  const spot = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, spot(event));
    canvas.classList.add("dragging");
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = spot(event);
    const before = fingers.get(event.pointerId);
    if (before) {
      fingers.set(event.pointerId, [x, y]);
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const far = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
        scene.zoom(far([x, y]) / far(before), (x + other[0]) / 2, (y + other[1]) / 2);
      } else scene.move(x - before[0], y - before[1]);
    }
    scene.cross = false;
    readout.at(...scene.under(x, y));
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      fingers.delete(event.pointerId);
      canvas.classList.toggle("dragging", fingers.size > 0);
    });
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    scene.zoom(2 ** (-event.deltaY / (event.deltaMode ? 8 : 300)), ...spot(event));
    readout.at(...scene.under(...spot(event)));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => scene.zoom(event.shiftKey ? 0.5 : 2, ...spot(event)));
}

function swiping(scene) {
  const bar = by("swipe");
  const set = (share) => {
    scene.swipe = Math.min(1, Math.max(0, share));
    bar.style.left = `${100 * scene.swipe}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * scene.swipe)));
    scene.draw();
  };
  bar.addEventListener("pointerdown", (event) => { bar.setPointerCapture(event.pointerId); event.preventDefault(); bar.focus(); });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const frame = scene.canvas.getBoundingClientRect();
    set((event.clientX - frame.left) / frame.width);
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    set(scene.swipe + step);
  });
  set(0.5);
  return set;
}

function keyboard(scene, readout, swipe) {
  const cross = () => {
    scene.cross = true;
    readout.at(...scene.centre);
  };
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  const zooms = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, _: 1 / 1.5 };
  // Keys count wherever nothing else takes them: nobody has to click the map first.
  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body && event.target !== scene.canvas) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const few = event.shiftKey ? 1 / 60 * scene.scale : 1; // with Shift: a pixel of the raster at a time
    if (event.key in moves) scene.move(...moves[event.key].map((by_px) => by_px * few));
    else if (event.key in zooms) scene.zoom(zooms[event.key]);
    else if (event.key === "0") scene.fit();
    else if (event.key === "[") swipe(scene.swipe - 0.02);
    else if (event.key === "]") swipe(scene.swipe + 0.02);
    else if (event.key.toLowerCase() === "p") by("patches-on").click();
    else return;
    event.preventDefault();
    cross();
  });
}

// While the server reads a raster without overviews, what it knows grows.
async function follow(scene) {
  for (;;) {
    await new Promise((wake) => { setTimeout(wake, 700); });
    let share;
    try {
      ({ share } = await ask("/progress"));
    } catch {
      by("progress").hidden = false;
      write("progress", "The viewer has ended: start it again and reload this page.");
      return;
    }
    by("progress").hidden = share >= 1;
    write("progress", `No overviews: reading all of it, ${Math.floor(100 * share)} %`);
    if (share !== scene.version && (share >= 1 || share - scene.version > 0.05)) {
      scene.version = share;
      scene.draw();
    }
  }
}

async function begin() {
  const session = await ask("/session");
  document.title = `${session.title}: geopatcher`;
  write("title", session.title);
  write("facts", `${session.height} x ${session.width} pixels, ${session.crs ?? "no georeference"}`);
  const patches = session.patches;
  write("patches-note", patches
    ? `${patches.count} patches of ${patches.rows.size} x ${patches.cols.size}, step ${patches.rows.step} x ${patches.cols.step}`
    : "It is not known where patches lie.");
  by("patches-on").disabled = !patches;
  const canvas = by("map");
  const scene = new Scene(canvas, session, []);
  const panels = [];
  const readout = new Readout(scene, panels);
  const show = () => {
    if (panels.length < 2) return;
    scene.looks = panels.map((panel) => panel.look);
    ["left", "right"].forEach((side, index) => {
      write(`flag-${side}`, panels[index].title);
      write(`name-${side}`, panels[index].described.name);
    });
    readout.again();
    scene.draw();
  };
  const names = session.layers.map((layer) => layer.name);
  const second = names.includes("input") ? names.indexOf("input") : Math.min(1, names.length - 1);
  panels.push(new Panel(by("side-left"), session, 0, show));
  panels.push(new Panel(by("side-right"), session, second, show));
  show();
  pointer(scene, readout);
  const swipe = swiping(scene);
  keyboard(scene, readout, swipe);
  const split = () => {
    scene.split = by("swipe-on").checked;
    for (const id of ["swipe", "side-right", "flag-right", "name-right", "match"]) by(id).hidden = !scene.split;
    by("value-right").parentElement.hidden = !scene.split;
    readout.again();
    scene.draw();
  };
  by("swipe-on").checked = names.length > 1;
  by("swipe-on").addEventListener("change", split);
  by("patches-on").addEventListener("change", () => { scene.patches = by("patches-on").checked; scene.draw(); });
  by("match").addEventListener("click", () => panels[1].match(panels[0]));
  by("zoom-in").addEventListener("click", () => scene.zoom(1.5));
  by("zoom-out").addEventListener("click", () => scene.zoom(1 / 1.5));
  by("zoom-fit").addEventListener("click", () => scene.fit());
  new ResizeObserver(() => scene.draw()).observe(canvas);
  split();
  scene.fit();
  document.body.dataset.ready = "true";
  follow(scene);
}

begin().catch((error) => {
  by("progress").hidden = false;
  write("progress", `The viewer could not start: ${error.message}`);
});
