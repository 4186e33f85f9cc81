// Pictures of pieces of rasters, asked for as they are needed.

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
