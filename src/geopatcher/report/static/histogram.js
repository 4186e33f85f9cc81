// How values are spread, and the two ends of a range over them, to be dragged or moved by keys.

export const short = (value) => Number(value.toPrecision(5));

export class Histogram {
  // moved: is told of the range while it is dragged, [low, high].
  constructor(parent, name, moved) {
    this.moved = moved;
    this.known = null;
    this.span = [0, 1];
    this.box = document.createElement("div");
    this.box.className = "histogram";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `Histogram, ${name}`);
    this.handles = ["Lowest", "Highest"].map((end, index) => this.handle(`${end} value shown, ${name}`, index));
    this.buttons = document.createElement("div");
    this.buttons.className = "buttons";
    this.box.append(this.canvas, ...this.handles);
    parent.append(this.box, this.buttons);
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  handle(label, index) {
    const handle = document.createElement("div");
    handle.className = "handle";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", label);
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.focus();
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const frame = this.box.getBoundingClientRect();
      const [low, high] = this.extent;
      this.move(index, low + ((event.clientX - frame.left) / frame.width) * (high - low));
    });
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (!step) return;
      event.preventDefault();
      const [low, high] = this.extent;
      this.move(index, this.span[index] + (step * (high - low)) / 100);
    });
    return handle;
  }

  // Where the picture begins and ends while a handle is held: it does not move away below the pointer.
  get extent() {
    const [low, high] = this.known?.ends ?? this.span;
    return this.held ?? [Math.min(low, this.span[0]), Math.max(high, this.span[1])];
  }

  move(index, wish) {
    const [low, high] = this.extent, least = (high - low) / 1000;
    const value = Math.min(high, Math.max(low, wish));
    this.held = [low, high];
    this.span = index === 0
      ? [Math.min(value, this.span[1] - least), this.span[1]]
      : [this.span[0], Math.max(value, this.span[0] + least)];
    this.draw();
    this.moved(this.span.map(short));
  }

  // known: what the server counted, or null while it counts.
  show(known, span) {
    if (known !== this.known) this.held = null;
    this.known = known;
    this.span = [...span];
    this.draw();
  }

  hide(hidden) { this.box.hidden = hidden; }

  draw() {
    const { clientWidth: wide, clientHeight: tall } = this.box;
    if (!wide) return;
    const dense = window.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(wide * dense), Math.round(tall * dense)];
    const pen = this.canvas.getContext("2d");
    pen.scale(dense, dense);
    const [low, high] = this.extent;
    const at = (value) => ((value - low) / (high - low)) * wide;
    if (this.known) {
      const { counts, ends } = this.known;
      const most = Math.sqrt(Math.max(...counts, 1)), width = (ends[1] - ends[0]) / counts.length;
      const style = getComputedStyle(this.box);
      counts.forEach((count, index) => {
        const x = at(ends[0] + index * width), next = at(ends[0] + (index + 1) * width);
        const height = (Math.sqrt(count) / most) * (tall - 4);
        const middle = ends[0] + (index + 0.5) * width;
        pen.globalAlpha = middle < this.span[0] || middle > this.span[1] ? 0.3 : 0.85;
        pen.fillStyle = style.color;
        pen.fillRect(x, tall - height, Math.max(0.5, next - x - 0.5), height);
      });
    }
    this.handles.forEach((handle, index) => {
      handle.style.left = `${at(this.span[index])}px`;
      handle.setAttribute("aria-valuemin", String(low));
      handle.setAttribute("aria-valuemax", String(high));
      handle.setAttribute("aria-valuenow", String(short(this.span[index])));
    });
  }
}
