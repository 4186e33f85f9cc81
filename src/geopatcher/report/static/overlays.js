// What lies over the rasters: patches, the cross, pins, the scale bar.

// Anchors of one axis between two pixels: arithmetic, however many patches there are.
function anchors(axis, lo, hi) {
  const first = Math.max(0, Math.floor((lo - axis.first - axis.size) / axis.step));
  const found = [];
  for (let index = first; index < axis.count - 1; index += 1) {
    const start = axis.first + index * axis.step;
    if (start >= hi) break;
    found.push(start);
  }
  if (axis.last < hi) found.push(axis.last);
  return found.filter((anchor) => anchor + axis.size > lo);
}

// The anchors of the patches over the cursor.
export function overCursor(scene) {
  if (!scene.cursor || !scene.session.patches) return [];
  const { rows, cols } = scene.session.patches;
  const [row, col] = scene.cursor;
  return anchors(rows, row, row + 1).flatMap((r) => anchors(cols, col, col + 1).map((c) => [r, c]));
}

// Dark below light: seen on every picture.
function stroke(pen, width) {
  pen.lineWidth = width + 1.5;
  pen.strokeStyle = "rgba(0, 0, 0, 0.35)";
  pen.stroke();
  pen.lineWidth = width;
  pen.strokeStyle = "rgba(255, 255, 255, 0.75)";
  pen.stroke();
}

export function grid(pen, scene, pane) {
  const { session, scale } = scene;
  const { rows, cols } = session.patches;
  const tall = scene.canvas.clientHeight;
  const [row0, col0] = scene.under(pane.x0, 0, pane), [row1, col1] = scene.under(pane.x1, tall, pane);
  if (Math.min(rows.step, cols.step) * scale >= 5) {
    const [left, top] = scene.over(0, 0, pane), [right, bottom] = scene.over(session.height, session.width, pane);
    pen.beginPath();
    for (const anchor of anchors(rows, row0, row1)) {
      for (const at of [anchor, anchor + rows.size]) {
        const y = Math.round(scene.over(at, 0, pane)[1]) + 0.5;
        pen.moveTo(Math.max(pane.x0, left), y);
        pen.lineTo(Math.min(pane.x1, right), y);
      }
    }
    for (const anchor of anchors(cols, col0, col1)) {
      for (const at of [anchor, anchor + cols.size]) {
        const x = Math.round(scene.over(0, at, pane)[0]) + 0.5;
        pen.moveTo(x, Math.max(0, top));
        pen.lineTo(x, Math.min(tall, bottom));
      }
    }
    stroke(pen, 1);
  }
  for (const [row, col] of overCursor(scene)) {
    const [x, y] = scene.over(row, col, pane);
    pen.beginPath();
    pen.rect(x, y, cols.size * scale, rows.size * scale);
    pen.fillStyle = "rgba(255, 255, 255, 0.10)";
    pen.fill();
    stroke(pen, 2);
  }
}

export function mark(pen, scene, pane) {
  const [x, y] = scene.over(scene.cursor[0] + 0.5, scene.cursor[1] + 0.5, pane);
  pen.beginPath();
  pen.moveTo(x - 9, y); pen.lineTo(x + 9, y);
  pen.moveTo(x, y - 9); pen.lineTo(x, y + 9);
  stroke(pen, 1.5);
}

export function marks(pen, scene, pane) {
  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  scene.pins.forEach(([row, col], index) => {
    const [x, y] = scene.over(row + 0.5, col + 0.5, pane);
    pen.beginPath();
    pen.arc(x, y, 9, 0, 2 * Math.PI);
    pen.fillStyle = "rgba(20, 20, 20, 0.8)";
    pen.fill();
    stroke(pen, 1.5);
    pen.fillStyle = "#fff";
    pen.fillText(String(index + 1), x, y + 0.5);
  });
}

// A length of 1, 2 or 5 times a power of ten, no longer than another.
function round(most) {
  const ten = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].find((each) => each * ten <= most) * ten;
}

// What one pixel of the raster is wide, where we look: in metres, or in pixels.
function pixel(scene) {
  const { metres, transform } = scene.session;
  if (metres === null) return [1, "px"];
  const wide = Math.hypot(transform[0], transform[3]);
  if (metres !== "degrees") return [wide * metres, "m"];
  const lat = transform[3] * scene.centre[1] + transform[4] * scene.centre[0] + transform[5];
  return [wide * 111_195 * Math.cos((lat * Math.PI) / 180), "m"]; // of a sphere, a degree of arc
}

// Draw how long something is, and return it in words.
export function scaleBar(pen, scene) {
  const [one, unit] = pixel(scene);
  const most = (120 / scene.scale) * one;
  if (!(most > 0) || !Number.isFinite(most)) return "";
  const length = round(most), wide = (length / one) * scene.scale;
  const text = unit === "m" && length >= 1000 ? `${length / 1000} km` : `${Number(length.toPrecision(1))} ${unit}`;
  const x = scene.canvas.clientWidth - wide - 16, y = scene.canvas.clientHeight - 16;
  pen.fillStyle = "rgba(20, 20, 20, 0.65)";
  pen.fillRect(x - 8, y - 20, wide + 16, 28);
  pen.strokeStyle = pen.fillStyle = "#fff";
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(x, y - 5); pen.lineTo(x, y); pen.lineTo(x + wide, y); pen.lineTo(x + wide, y - 5);
  pen.stroke();
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  pen.fillText(text, x + wide / 2, y - 7);
  return text;
}
