// The classes of a map, with their names and shares; one that is chosen is hidden, or shown again.

function entry(each, hidden, changed) {
  const line = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", String(!hidden.has(each.value)));
  const swatch = document.createElement("span"), name = document.createElement("span"), share = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = each.color;
  name.textContent = each.name;
  share.className = "share";
  share.textContent = `${(100 * each.share).toFixed(1)} %`;
  button.append(swatch, name, share);
  button.addEventListener("click", () => {
    if (!hidden.delete(each.value)) hidden.add(each.value);
    button.setAttribute("aria-pressed", String(!hidden.has(each.value)));
    changed();
  });
  line.append(button);
  return line;
}

export function fillLegend(list, classes, hidden, changed) {
  const largest = [...classes].sort((one, other) => other.share - one.share);
  list.replaceChildren(...largest.map((each) => entry(each, hidden, changed)));
}
