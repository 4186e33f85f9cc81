// A ramp of colours with ticks under it.

const TICKS = [0, 0.25, 0.5, 0.75, 1];

export class Bar {
  constructor(parent) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "ramp";
    [this.canvas.width, this.canvas.height] = [256, 1];
    this.canvas.setAttribute("aria-hidden", "true");
    this.ticks = document.createElement("div");
    this.ticks.className = "ticks";
    parent.append(this.canvas, this.ticks);
  }

  hide(hidden) { this.canvas.hidden = this.ticks.hidden = hidden; }

  // stops: colours from the lowest value to the highest; of labels each stands for itself, without ticks.
  show(stops, [low, high], unit, labels = false) {
    const pen = this.canvas.getContext("2d");
    const paint = pen.createLinearGradient(0, 0, 256, 0);
    stops.forEach((colour, index) => {
      if (labels) {
        paint.addColorStop(index / stops.length, colour);
        paint.addColorStop((index + 1) / stops.length, colour);
      } else paint.addColorStop(index / (stops.length - 1), colour);
    });
    pen.fillStyle = paint;
    pen.fillRect(0, 0, 256, 1);
    if (labels) this.ticks.hidden = true;
    this.ticks.replaceChildren(...TICKS.map((share) => {
      const tick = document.createElement("span"), value = Number((low + share * (high - low)).toPrecision(4));
      tick.textContent = share === 1 && unit ? `${value} ${unit}` : String(value);
      return tick;
    }));
  }
}
