// The scene: where we are, which tiles that takes, and how they are drawn. No controls here.

import { grid, mark, marks, scaleBar } from "/overlays.js";
import { Tiles } from "/tiles.js";

export const MODES = ["one", "swipe", "side", "blend", "blink", "difference"];

export class Scene {
  // session: what the server said; looks: what is shown on either side, [left, right].
  constructor(canvas, session, looks) {
    this.canvas = canvas;
    this.session = session;
    this.looks = looks;
    this.mode = "swipe"; // one of MODES
    this.difference = null; // the look of left less right
    this.swipe = 0.5; // share of the width that shows the left
    this.opacity = 0.5; // of the right over the left
    this.blinked = 0; // which side is to be seen while they blink
    this.patches = false;
    this.cursor = null; // [row, column] the readout is about
    this.cross = false;
    this.pins = []; // [row, column] of each
    this.version = 0; // of what the server has read so far
    this.drawn = () => {}; // is told after each picture whether all of it is there
    this.tiles = new Tiles(() => this.draw());
    this.scratch = document.createElement("canvas");
    this.scale = 1; // CSS pixels per pixel of the raster
    this.centre = [session.height / 2, session.width / 2];
    this.pending = false;
  }

  get split() { return this.mode !== "one"; }

  // Where each picture is and what it shows: from x0 to x1, with the place looked at in its middle.
  get panes() {
    const wide = this.canvas.clientWidth, half = Math.round(wide / 2), edge = Math.round(wide * this.swipe);
    const [left, right] = this.looks;
    if (this.mode === "side") return [{ look: left, x0: 0, x1: half }, { look: right, x0: half, x1: wide }]
      .map((pane) => ({ ...pane, middle: (pane.x0 + pane.x1) / 2 }));
    const middle = wide / 2;
    if (this.mode === "swipe") return [{ look: left, x0: 0, x1: edge, middle }, { look: right, x0: edge, x1: wide, middle }];
    const one = { one: left, blend: left, blink: this.looks[this.blinked], difference: this.difference }[this.mode];
    return [{ look: one, x0: 0, x1: wide, middle }];
  }

  // The width of what shows all that is looked at.
  get width() { return this.mode === "side" ? this.canvas.clientWidth / 2 : this.canvas.clientWidth; }

  fit() {
    this.scale = 0.96 * Math.min(this.width / this.session.width, this.canvas.clientHeight / this.session.height);
    this.centre = [this.session.height / 2, this.session.width / 2];
    this.draw();
  }

  // The pixel of the raster under a point of the canvas, as fractions.
  under(x, y, pane = this.panes.find((each) => x < each.x1) ?? this.panes.at(-1)) {
    return [
      this.centre[0] + (y - this.canvas.clientHeight / 2) / this.scale,
      this.centre[1] + (x - pane.middle) / this.scale,
    ];
  }

  // The point of a pane that shows a place of the raster.
  over(row, col, pane) {
    return [
      (col - this.centre[1]) * this.scale + pane.middle,
      (row - this.centre[0]) * this.scale + this.canvas.clientHeight / 2,
    ];
  }

  inside(row, col) {
    return row >= 0 && col >= 0 && row < this.session.height && col < this.session.width;
  }

  move(dx, dy) { this.look(this.centre[0] - dy / this.scale, this.centre[1] - dx / this.scale, this.scale); }

  // Look at a place, not beyond the raster, and no nearer or farther than makes sense.
  look(row, col, scale) {
    const smallest = 64 / Math.max(this.session.width, this.session.height);
    this.scale = Math.min(64, Math.max(Math.min(1, smallest), scale));
    this.centre = [
      Math.min(this.session.height, Math.max(0, row)),
      Math.min(this.session.width, Math.max(0, col)),
    ];
    this.draw();
  }

  zoom(factor, x = this.panes[0].middle, y = this.canvas.clientHeight / 2) {
    const [row, col] = this.under(x, y);
    this.look(...this.centre, this.scale * factor);
    const [nowRow, nowCol] = this.under(x, y);
    this.look(this.centre[0] + row - nowRow, this.centre[1] + col - nowCol, this.scale);
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.paint(); });
  }

  paint() {
    const { canvas } = this;
    const pen = this.pen(canvas);
    this.tiles.begin();
    for (const pane of this.panes) {
      if (!pane.look || pane.x1 <= pane.x0) continue;
      this.side(pen, pane);
      if (this.mode === "blend") this.blend(pen, { ...pane, look: this.looks[1] });
      this.clipped(pen, pane, () => {
        if (this.patches && this.session.patches) grid(pen, this, pane);
        if (this.cross && this.cursor) mark(pen, this, pane);
        marks(pen, this, pane);
      });
    }
    canvas.dataset.scale = scaleBar(pen, this);
    this.tiles.pump();
    canvas.dataset.idle = String(this.tiles.idle);
    this.drawn(this.tiles.idle);
  }

  // A canvas as large as the map, empty.
  pen(canvas) {
    const dense = window.devicePixelRatio || 1;
    const wide = this.canvas.clientWidth, tall = this.canvas.clientHeight;
    if (canvas.width !== Math.round(wide * dense)) canvas.width = Math.round(wide * dense);
    if (canvas.height !== Math.round(tall * dense)) canvas.height = Math.round(tall * dense);
    const pen = canvas.getContext("2d");
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, wide, tall);
    return pen;
  }

  // Tiles clear what is below them: what is to be seen through is drawn apart.
  blend(pen, pane) {
    this.side(this.pen(this.scratch), pane);
    pen.globalAlpha = this.opacity;
    pen.drawImage(this.scratch, 0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    pen.globalAlpha = 1;
  }

  clipped(pen, pane, draw) {
    pen.save();
    pen.beginPath();
    pen.rect(pane.x0, 0, pane.x1 - pane.x0, this.canvas.clientHeight);
    pen.clip();
    draw();
    pen.restore();
  }

  side(pen, pane) {
    this.clipped(pen, pane, () => {
      const dense = window.devicePixelRatio || 1;
      pen.imageSmoothingEnabled = this.scale * dense < 1;
      const wish = this.session.maxZoom + Math.ceil(Math.log2(this.scale * dense) - 0.01);
      const level = Math.min(this.session.maxZoom, Math.max(0, wish));
      // What is known of coarser levels goes below, so that something is there at once.
      for (let zoom = Math.max(0, level - 4); zoom < level; zoom += 1) this.level(pen, pane, zoom, false);
      this.level(pen, pane, level, true);
    });
  }

  level(pen, pane, zoom, load) {
    const { height, width, tile, maxZoom } = this.session;
    const span = tile * 2 ** (maxZoom - zoom);
    const [row0, col0] = this.under(pane.x0, 0, pane);
    const [row1, col1] = this.under(pane.x1, this.canvas.clientHeight, pane);
    const last = (length) => Math.ceil(length / span) - 1;
    const rows = [Math.max(0, Math.floor(row0 / span)), Math.min(last(height), Math.floor(row1 / span))];
    const cols = [Math.max(0, Math.floor(col0 / span)), Math.min(last(width), Math.floor(col1 / span))];
    for (let y = rows[0]; y <= rows[1]; y += 1) {
      for (let x = cols[0]; x <= cols[1]; x += 1) {
        const picture = this.tiles.get(`${pane.look.path}/${zoom}/${x}/${y}?${pane.look.query}&v=${this.version}`, load);
        if (!picture) continue;
        const [left, top] = this.over(y * span, x * span, pane);
        const [right, bottom] = this.over(Math.min((y + 1) * span, height), Math.min((x + 1) * span, width), pane);
        pen.clearRect(left, top, right - left, bottom - top);
        pen.drawImage(picture, left, top, right - left, bottom - top);
      }
    }
  }

  // The picture as a file, on the ground that the page has.
  save(name, ground) {
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [this.canvas.width, this.canvas.height];
    const pen = copy.getContext("2d");
    pen.fillStyle = ground;
    pen.fillRect(0, 0, copy.width, copy.height);
    pen.drawImage(this.canvas, 0, 0);
    copy.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
}
