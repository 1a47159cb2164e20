"use strict";
(function () {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const MINUS = "\u2212", THIN = "\u202f";

  // Heat map: names and value for the cell under the pointer or the focus.
  const tip = document.getElementById("tip");
  const table = document.querySelector("table.heat");
  const heat = read("heat-data");
  const cells = [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1));
  const columnHeads = [...table.tHead.rows[0].cells].slice(1);
  let current = null;

  function place(cell) {
    return [cell.parentNode.rowIndex - 1, cell.cellIndex - 1];
  }

  function label(name, groups) {
    const line = document.createElement("span");
    line.textContent = groups.length ? `${name} (${groups.join(", ")})` : name;
    return line;
  }

  function range(i, j) {
    if (!heat.low) return "";
    const digits = (cells[i][j].textContent.split(".")[1] || "").length;
    const text = (v) => v.toFixed(digits).replace("-", MINUS);
    return ` (95${THIN}%: ${text(heat.low[i][j])} to ${text(heat.high[i][j])})`;
  }

  function moveTip(x, above, below) {
    tip.hidden = false;
    const size = tip.getBoundingClientRect();
    const right = document.documentElement.clientWidth - size.width - 8;
    tip.style.left = `${Math.max(8, Math.min(x - size.width / 2, right))}px`;
    tip.style.top = `${above - size.height > 4 ? above - size.height : below}px`;
  }

  function show(cell) {
    if (current === cell) return;
    hide();
    current = cell;
    const [i, j] = place(cell);
    const value = document.createElement("b");
    value.textContent = cell.textContent;
    const last = document.createElement("span");
    last.append(value, i === j ? " with itself" : range(i, j));
    const lines = [label(heat.names[i], heat.groups[i])];
    if (i !== j) lines.push(label(heat.names[j], heat.groups[j]));
    tip.replaceChildren(...lines, last);
    for (const head of [cells[i][0].parentNode.cells[0], columnHeads[j]]) head.classList.add("on");
    cell.classList.add("on");
    const box = cell.getBoundingClientRect();
    moveTip(box.left + box.width / 2, box.top - 8, box.bottom + 8);
  }

  function hide() {
    current = null;
    tip.hidden = true;
    table.querySelectorAll(".on").forEach((node) => node.classList.remove("on"));
  }

  const cellOf = (event) => event.target.closest("tbody td");
  let stop = cells[0][cells.length > 1 ? 1 : 0];
  stop.tabIndex = 0;
  table.addEventListener("pointerover", (e) => (cellOf(e) ? show(cellOf(e)) : hide()));
  table.addEventListener("pointerleave", hide);
  table.addEventListener("focusin", (e) => cellOf(e) && show(cellOf(e)));
  table.addEventListener("focusout", hide);
  window.addEventListener("scroll", () => current && current !== document.activeElement && hide(), true);
  const moves = {
    ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  };
  table.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const move = moves[event.key], cell = cellOf(event);
    if (!move || !cell) return;
    const [i, j] = place(cell);
    const next = (cells[i + move[0]] || [])[j + move[1]];
    event.preventDefault();
    if (!next) return;
    stop.removeAttribute("tabindex");
    stop = next;
    stop.tabIndex = 0;
    stop.focus();
  });

  // The map: what a dot is, also where touch shows no titles.
  const dots = document.getElementById("map-dots");
  if (dots) {
    for (const title of dots.querySelectorAll("title")) {
      title.parentNode.dataset.tip = title.textContent;
      title.remove();
    }
    dots.addEventListener("pointerover", (event) => {
      const text = event.target.dataset.tip;
      if (!text) return;
      const box = event.target.getBoundingClientRect();
      tip.replaceChildren(text);
      moveTip(box.left + box.width / 2, box.top - 8, box.bottom + 8);
    });
    dots.addEventListener("pointerout", () => (tip.hidden = true));
  }

  // The dial: straight lines between the solved mixtures, and none across a jump.
  const slider = document.getElementById("dial-slider");
  if (!slider) return;
  const dial = read("dial-data");
  const part = (id) => document.getElementById(id);
  const rows = [...part("dial-bars").children];
  const bars = rows.map((row) => row.querySelector(".bar"));
  const shares = rows.map((row) => row.querySelector(".num"));
  const lines = [...part("dial-lines").querySelectorAll(".line")];
  const back = part("dial-back"), last = dial.t.length - 1;
  const low = dial.t[0], span = dial.t[last] - low;
  const cuts = new Set(dial.cuts);

  const percent = (weight) => `${(100 * weight + 1e-7).toFixed(1)}${THIN}%`;

  const squares = (weights) => weights.reduce((sum, weight) => sum + weight * weight, 0);

  function weightsAt(t) {
    // At a jump the mixture is the most even of those that meet there.
    const here = dial.weights.filter((_, i) => Math.abs(dial.t[i] - t) < 1e-9);
    if (here.length) return here.reduce((a, b) => (squares(b) < squares(a) ? b : a));
    let k = 0;
    while (k < last - 1 && dial.t[k + 1] < t) k += 1;
    const a = dial.weights[k], b = dial.weights[k + 1], gap = dial.t[k + 1] - dial.t[k];
    const s = Math.min(1, Math.max(0, (t - dial.t[k]) / gap));
    if (cuts.has(k)) return s < 0.5 ? a : b;
    return a.map((weight, i) => weight + s * (b[i] - weight));
  }

  function draw(t, at, weights) {
    weights.forEach((weight, i) => {
      bars[i].style.width = `${((100 * weight) / dial.scale).toFixed(4)}%`;
      shares[i].textContent = percent(weight);
      rows[i].classList.toggle("nothing", weight <= 0);
    });
    const effective = 1 / squares(weights);
    const used = weights.filter((weight) => weight > 0).length;
    part("dial-t").textContent = t.toFixed(2);
    part("dial-eff").textContent = effective.toFixed(1);
    part("dial-used").textContent = used;
    for (const id of ["dial-cursor", "dial-cursor-low"]) part(id).style.left = `${at}%`;
    slider.setAttribute("aria-valuetext",
      `t = ${t.toFixed(2)}, ${effective.toFixed(1)} effective tasks`);
  }

  function chosen() {
    slider.value = dial.chosen.index;
    draw(dial.chosen.t, dial.chosen.at, dial.chosen.weights);
    back.disabled = true;
  }

  function highlight(index) {
    part("dial-lines").classList.toggle("some", index >= 0);
    lines.forEach((line, i) => line.classList.toggle("on", i === index));
    if (index >= 0) part("dial-lines").append(lines[index]);
  }

  // The line nearest to the pointer.
  const plot = part("dial-plot");
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const along = (event.clientX - box.left) / box.width;
    if (along < 0 || along > 1) return unlabel();
    const t = low + along * span, weights = weightsAt(t);
    const share = (dial.scale * (box.bottom - event.clientY)) / box.height;
    const away = weights.map((weight) => Math.abs(weight - share));
    const i = away.indexOf(Math.min(...away));
    highlight(i);
    const name = rows[i].firstElementChild.textContent;
    tip.replaceChildren(`${name}, ${percent(weights[i])} at t = ${t.toFixed(2)}`);
    moveTip(event.clientX, event.clientY - 12, event.clientY + 20);
  });
  plot.addEventListener("pointerleave", unlabel);

  function unlabel() {
    highlight(-1);
    tip.hidden = true;
  }

  slider.disabled = false;
  slider.addEventListener("input", () => {
    const along = Number(slider.value) / dial.steps, t = low + along * span;
    draw(t, 100 * along, weightsAt(t));
    back.disabled = false;
  });
  back.addEventListener("click", () => {
    chosen();
    slider.focus();
  });
  rows.forEach((row, i) => row.addEventListener("pointerenter", () => highlight(i)));
  part("dial-bars").addEventListener("pointerleave", () => highlight(-1));
  chosen();
})();
