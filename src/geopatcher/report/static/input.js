// The pointer, fingers and the keyboard.

const CLICK_MS = 250; // after which a click is no double click any more

// clicked: is told of the place of the raster that was clicked or tapped.
export function pointer(scene, readout, clicked) {
  const { canvas } = scene;
  const fingers = new Map();
  let travelled = 0, waiting = 0;
  const spot = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, spot(event));
    travelled = fingers.size > 1 ? Infinity : 0;
    canvas.classList.add("dragging");
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = spot(event);
    const before = fingers.get(event.pointerId);
    if (before) {
      fingers.set(event.pointerId, [x, y]);
      travelled += Math.hypot(x - before[0], y - before[1]);
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
  canvas.addEventListener("click", (event) => {
    if (travelled > 5 || event.detail > 1) return;
    const place = scene.under(...spot(event));
    readout.at(...place);
    waiting = setTimeout(() => clicked(...place), CLICK_MS);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    scene.zoom(2 ** (-event.deltaY / (event.deltaMode ? 8 : 300)), ...spot(event));
    readout.at(...scene.under(...spot(event)));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => {
    clearTimeout(waiting);
    scene.zoom(event.shiftKey ? 0.5 : 2, ...spot(event));
  });
}

// Returns what moves the swipe to a share of the width.
export function swiping(scene, bar) {
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
  return set;
}

// actions: what further keys do, by the key in lower case.
export function keyboard(scene, readout, actions) {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  const zooms = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, _: 1 / 1.5 };
  // Keys count wherever nothing else takes them: nobody has to click the map first.
  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body && event.target !== scene.canvas) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const few = event.shiftKey ? 1 / 60 * scene.scale : 1; // with Shift: a pixel of the raster at a time
    const action = actions[event.key.toLowerCase()];
    if (event.key in moves) scene.move(...moves[event.key].map((by) => by * few));
    else if (event.key in zooms) scene.zoom(zooms[event.key]);
    else if (event.key === "0") scene.fit();
    else if (!action) return;
    event.preventDefault();
    if (action) action();
    else {
      scene.cross = true;
      readout.at(...scene.centre);
    }
  });
}
