// Follows the log of a run: asks for new lines, and draws what they say.

const POLL_MS = 500;
const byId = (id) => document.getElementById(id);
const run = { place: 0, begin: null, strips: [], end: null, totals: {}, stages: {}, lost: false, picture: null, blocks: 0, looking: false };

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) { n /= 1024; at += 1; }
  return `${at ? n.toFixed(1) : n} ${units[at]}`;
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function take(line) {
  if (line.event === "begin") {
    Object.assign(run, { begin: line, strips: [], end: null, totals: {}, stages: {} });
  } else if (line.event === "strip") {
    run.strips.push(line);
    for (const name of ["bytes_read", "bytes_written", "failed"]) run.totals[name] = (run.totals[name] ?? 0) + line[name];
    for (const [name, took] of Object.entries(line.seconds)) run.stages[name] = (run.stages[name] ?? 0) + took;
  } else if (line.event === "end") {
    run.end = line;
  }
}

function sized(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { pen, width, height };
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function drawMap() {
  const { pen, width, height } = sized(byId("map"));
  if (!run.begin) return;
  const { picture } = run;
  const [rows, cols] = run.begin.raster;
  const scale = Math.min((width - 40) / cols, (height - 40) / rows);
  const [left, top] = [(width - cols * scale) / 2, (height - rows * scale) / 2];
  pen.fillStyle = color("--card");
  pen.fillRect(left, top, cols * scale, rows * scale);
  pen.fillStyle = color("--accent");
  run.strips.forEach((strip, at) => {
    pen.globalAlpha = at === run.strips.length - 1 && !run.end ? 0.95 : 0.55;
    const [row0, row1] = [Math.max(0, strip.rows[0]), Math.min(rows, strip.rows[1])];
    const before = run.strips[at - 1];
    const from = before && before.columns[0] === strip.columns[0] ? Math.max(row0, before.rows[1]) : row0;
    const x = left + strip.columns[0] * scale;
    pen.fillRect(x, top + from * scale, (strip.columns[1] - strip.columns[0]) * scale, (row1 - from) * scale);
  });
  pen.globalAlpha = 1;
  if (picture) {
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, left, top, cols * scale, rows * scale);
  }
  pen.strokeStyle = color("--soft");
  pen.strokeRect(left, top, cols * scale, rows * scale);
}

function drawMemory() {
  const { pen, width, height } = sized(byId("chart"));
  const held = run.strips.map((strip) => strip.rss_bytes);
  if (held.length < 2) return;
  const most = 1.1 * Math.max(...held);
  const last = run.strips.at(-1).elapsed_s || 1;
  pen.strokeStyle = color("--accent");
  pen.lineWidth = 1.5;
  pen.beginPath();
  run.strips.forEach((strip) => pen.lineTo((strip.elapsed_s / last) * width, height - (strip.rss_bytes / most) * height));
  pen.stroke();
}

function show() {
  const last = run.strips.at(-1);
  const done = last?.done ?? 0;
  const total = run.begin?.total ?? 0;
  const elapsed = (run.end ?? last)?.elapsed_s ?? 0;
  const rate = elapsed ? done / elapsed : 0;
  const share = total ? done / total : run.end ? 1 : 0;
  const going = run.begin ? "running" : "waiting for the run";
  const lost = run.lost ? "the run does not answer any more" : going;
  byId("state").textContent = run.end ? (run.end.outcome === "complete" ? "complete" : `ended: ${run.end.outcome}`) : lost;
  byId("bar").value = share;
  byId("patches").textContent = `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
  byId("left").textContent = run.end ? "none" : rate ? span((total - done) / rate) : "unknown";
  byId("elapsed").textContent = span(elapsed);
  byId("rate").textContent = rate ? `${rate.toPrecision(3)} patches/s` : "";
  byId("read").textContent = bytes(run.totals.bytes_read ?? 0);
  byId("written").textContent = bytes(run.totals.bytes_written ?? 0);
  byId("failed").textContent = (run.totals.failed ?? 0).toLocaleString("en");
  byId("memory").textContent = last ? bytes(last.rss_bytes) : "";
  if (run.begin) {
    byId("target").textContent = run.begin.target;
    byId("facts").textContent = `from ${run.begin.source}`;
    document.title = `${Math.floor(100 * share)} % ${run.begin.target}`;
  }
  const rows = Object.entries(run.stages).flatMap(([name, took]) => {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    value.textContent = took.toFixed(1);
    return [term, value];
  });
  byId("stages").replaceChildren(...rows);
  drawMap();
  drawMemory();
}

// The pixels of what is finished, when there is more of it than was seen last.
function look(blocks) {
  if (!blocks || blocks === run.blocks || run.looking) return;
  run.looking = true;
  const picture = new Image();
  picture.onload = () => {
    Object.assign(run, { picture, blocks, looking: false });
    byId("map").dataset.blocks = String(blocks);
    drawMap();
  };
  picture.onerror = () => { run.looking = false; };
  picture.src = `/picture?n=${blocks}`;
}

async function poll() {
  try {
    const answer = await fetch(`/lines?from=${run.place}`);
    const { lines, next, blocks } = await answer.json();
    look(blocks);
    run.lost = false;
    run.place = next;
    lines.forEach(take);
    if (lines.length) show();
    if (run.end && !lines.length && blocks === (run.blocks ?? 0)) return;
    setTimeout(poll, lines.length ? 50 : POLL_MS);
  } catch {
    run.lost = true;
    show();
    setTimeout(poll, 4 * POLL_MS);
  }
}

window.addEventListener("resize", show);
show();
poll();
