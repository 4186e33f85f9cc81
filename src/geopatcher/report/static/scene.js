// The scene: where we are, which tiles that takes, and how they are drawn. No controls here.

const KEPT = 600; // tiles kept, least recently drawn dropped first
const AT_ONCE = 6; // requests under way

export class Tiles {
  // Pictures by address, loaded a few at a time, the newest wish first.
  constructor(changed) {
    this.changed = changed;
    this.known = new Map();
    this.wanted = [];
    this.busy = 0;
  }

  get(address, load) {
    const known = this.known.get(address);
    if (known !== undefined) {
      this.known.delete(address);
      this.known.set(address, known);
      return known === "coming" || known === "missing" ? null : known;
    }
    if (load) this.wanted.push(address);
    return null;
  }

  begin() { this.wanted.length = 0; }

  pump() {
    while (this.busy < AT_ONCE && this.wanted.length) {
      const address = this.wanted.shift();
      if (this.known.has(address)) continue;
      this.known.set(address, "coming");
      this.busy += 1;
      const picture = new Image();
      const done = (result) => {
        this.busy -= 1;
        this.known.set(address, result);
        while (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
        this.changed();
        this.pump();
      };
      picture.onload = () => done(picture);
      picture.onerror = () => done("missing");
      picture.src = address;
    }
  }

  get idle() { return this.busy === 0 && this.wanted.length === 0; }
}

export class Scene {
  // session: what the server said; looks: what is shown on either side, [left, right].
  constructor(canvas, session, looks) {
    this.canvas = canvas;
    this.session = session;
    this.looks = looks;
    this.swipe = 0.5; // share of the width that shows the left; 1 when there is no swipe
    this.split = true;
    this.patches = false;
    this.cursor = null; // [row, column] the readout is about
    this.cross = false;
    this.version = 0; // of what the server has read so far
    this.tiles = new Tiles(() => this.draw());
    this.scale = 1; // CSS pixels per pixel of the raster
    this.centre = [session.height / 2, session.width / 2];
    this.pending = false;
  }

  fit() {
    const { clientWidth: wide, clientHeight: tall } = this.canvas;
    this.scale = 0.96 * Math.min(wide / this.session.width, tall / this.session.height);
    this.centre = [this.session.height / 2, this.session.width / 2];
    this.draw();
  }

  // The pixel of the raster under a point of the canvas, as fractions.
  under(x, y) {
    return [
      this.centre[0] + (y - this.canvas.clientHeight / 2) / this.scale,
      this.centre[1] + (x - this.canvas.clientWidth / 2) / this.scale,
    ];
  }

  over(row, col) {
    return [
      (col - this.centre[1]) * this.scale + this.canvas.clientWidth / 2,
      (row - this.centre[0]) * this.scale + this.canvas.clientHeight / 2,
    ];
  }

  inside(row, col) {
    return row >= 0 && col >= 0 && row < this.session.height && col < this.session.width;
  }

  move(dx, dy) {
    const [row, col] = this.centre;
    this.centre = [
      Math.min(this.session.height, Math.max(0, row - dy / this.scale)),
      Math.min(this.session.width, Math.max(0, col - dx / this.scale)),
    ];
    this.draw();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const [row, col] = this.under(x, y);
    const smallest = 64 / Math.max(this.session.width, this.session.height);
    this.scale = Math.min(64, Math.max(smallest, this.scale * factor));
    const [nowRow, nowCol] = this.under(x, y);
    this.centre = [this.centre[0] + row - nowRow, this.centre[1] + col - nowCol];
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.paint(); });
  }

  paint() {
    const { canvas } = this;
    const dense = window.devicePixelRatio || 1;
    const wide = canvas.clientWidth, tall = canvas.clientHeight;
    if (canvas.width !== Math.round(wide * dense)) canvas.width = Math.round(wide * dense);
    if (canvas.height !== Math.round(tall * dense)) canvas.height = Math.round(tall * dense);
    const pen = canvas.getContext("2d");
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, wide, tall);
    this.tiles.begin();
    const edge = this.split ? Math.round(wide * this.swipe) : wide;
    this.side(pen, this.looks[0], 0, edge, tall, dense);
    if (this.split) this.side(pen, this.looks[1], edge, wide, tall, dense);
    if (this.patches && this.session.patches) this.grid(pen, wide, tall);
    if (this.cross && this.cursor) this.mark(pen);
    this.tiles.pump();
    canvas.dataset.idle = String(this.tiles.idle);
  }

  side(pen, look, x0, x1, tall, dense) {
    if (x1 <= x0) return;
    pen.save();
    pen.beginPath();
    pen.rect(x0, 0, x1 - x0, tall);
    pen.clip();
    pen.imageSmoothingEnabled = this.scale * dense < 1;
    const wish = this.session.maxZoom + Math.ceil(Math.log2(this.scale * dense) - 0.01);
    const level = Math.min(this.session.maxZoom, Math.max(0, wish));
    // What is known of coarser levels goes below, so that something is there at once.
    for (let zoom = Math.max(0, level - 4); zoom < level; zoom += 1) this.level(pen, look, zoom, x0, x1, tall, false);
    this.level(pen, look, level, x0, x1, tall, true);
    pen.restore();
  }

  level(pen, look, zoom, x0, x1, tall, load) {
    const span = this.session.tile * 2 ** (this.session.maxZoom - zoom);
    const [row0, col0] = this.under(x0, 0), [row1, col1] = this.under(x1, tall);
    const last = (length) => Math.ceil(length / span) - 1;
    const rows = [Math.max(0, Math.floor(row0 / span)), Math.min(last(this.session.height), Math.floor(row1 / span))];
    const cols = [Math.max(0, Math.floor(col0 / span)), Math.min(last(this.session.width), Math.floor(col1 / span))];
    for (let y = rows[0]; y <= rows[1]; y += 1) {
      for (let x = cols[0]; x <= cols[1]; x += 1) {
        const picture = this.tiles.get(`/tile/${look.layer}/${zoom}/${x}/${y}?${look.query}&v=${this.version}`, load);
        if (!picture) continue;
        const [left, top] = this.over(y * span, x * span);
        const [right, bottom] = this.over(
          Math.min((y + 1) * span, this.session.height), Math.min((x + 1) * span, this.session.width));
        pen.clearRect(left, top, right - left, bottom - top);
        pen.drawImage(picture, left, top, right - left, bottom - top);
      }
    }
  }

  // Anchors of one axis between two pixels: arithmetic, however many patches there are.
  anchors(axis, lo, hi) {
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

  grid(pen, wide, tall) {
    const { rows, cols } = this.session.patches;
    const [row0, col0] = this.under(0, 0), [row1, col1] = this.under(wide, tall);
    if (Math.min(rows.step, cols.step) * this.scale >= 5) {
      const [left, top] = this.over(0, 0), [right, bottom] = this.over(this.session.height, this.session.width);
      pen.beginPath();
      for (const anchor of this.anchors(rows, row0, row1)) {
        for (const at of [anchor, anchor + rows.size]) {
          const y = Math.round(this.over(at, 0)[1]) + 0.5;
          pen.moveTo(Math.max(0, left), y);
          pen.lineTo(Math.min(wide, right), y);
        }
      }
      for (const anchor of this.anchors(cols, col0, col1)) {
        for (const at of [anchor, anchor + cols.size]) {
          const x = Math.round(this.over(0, at)[0]) + 0.5;
          pen.moveTo(x, Math.max(0, top));
          pen.lineTo(x, Math.min(tall, bottom));
        }
      }
      this.stroke(pen, 1);
    }
    for (const [row, col] of this.over_cursor()) {
      const [x, y] = this.over(row, col);
      pen.beginPath();
      pen.rect(x, y, cols.size * this.scale, rows.size * this.scale);
      pen.fillStyle = "rgba(255, 255, 255, 0.10)";
      pen.fill();
      this.stroke(pen, 2);
    }
  }

  // The anchors of the patches over the cursor.
  over_cursor() {
    if (!this.cursor || !this.session.patches) return [];
    const { rows, cols } = this.session.patches;
    const [row, col] = this.cursor;
    return this.anchors(rows, row, row + 1).flatMap((r) => this.anchors(cols, col, col + 1).map((c) => [r, c]));
  }

  // Dark below light: seen on every picture.
  stroke(pen, width) {
    pen.lineWidth = width + 1.5;
    pen.strokeStyle = "rgba(0, 0, 0, 0.35)";
    pen.stroke();
    pen.lineWidth = width;
    pen.strokeStyle = "rgba(255, 255, 255, 0.75)";
    pen.stroke();
  }

  mark(pen) {
    const [x, y] = this.over(this.cursor[0] + 0.5, this.cursor[1] + 0.5);
    pen.beginPath();
    pen.moveTo(x - 9, y); pen.lineTo(x + 9, y);
    pen.moveTo(x, y - 9); pen.lineTo(x, y + 9);
    this.stroke(pen, 1.5);
  }
}
