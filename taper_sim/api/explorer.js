// Inputs and picture of an explorer. The kernel simulates; this page only draws what it sends. Loads nothing.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 380, HEIGHT = 190, LEFT = 40, RIGHT = 106, TOP = 8, BOTTOM = 30;
const ACCENT = "#0072B2", WARNING = "#C44E00", GREY = "#767676";
const NO_ANSWER_MS = 8000, QUIET_MS = 700;

let nWidgets = 0;

function element(name, attributes = {}, text) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function shape(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

/** Round numbers from 0 or low to high, at most six of them. */
function ticks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const marks = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9; k++) marks.push(Number((k * step).toPrecision(6)));
  return marks;
}

function canvas(label, height = HEIGHT) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
}

/** Mean and bands of the people, the courses of some of them, the mean on a constant dose. */
function coursesPanel(panel) {
  const last = panel.days.length - 1, lastDay = panel.days[last], [low, most] = panel.ends;
  const largest = Math.max(...panel.q90, ...panel.people.flat());
  const high = most || [0.1, 0.2, 0.4, 0.6, 0.8, 1].find((end) => end >= largest) || 1;
  const x = (day) => LEFT + (WIDTH - LEFT - RIGHT) * (day / lastDay);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (Math.min(value, high) - low) / (high - low));
  const line = (values) => values.map((value, k) =>  // a course ends where its values are missing
    value === null ? "" : `${k ? "L" : "M"}${x(panel.days[k]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const band = (below, above) =>
    line(above) + [...below.keys()].reverse().map((k) => `L${x(panel.days[k]).toFixed(1)} ${y(below[k]).toFixed(1)}`).join("") + "Z";
  const svg = canvas(`${panel.label}: mean ${panel.mean[last]} on day ${lastDay}, highest mean ${Math.max(...panel.mean)}; ` +
    `constant dose ${panel.held[last]}`);
  for (const mark of ticks(low, high)) {
    shape(svg, "line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark), stroke: "#e2e2e2" });
    shape(svg, "text", { x: LEFT - 5, y: y(mark) + 4, "text-anchor": "end" }, mark);
  }
  for (let day = 0; day <= lastDay; day += 28 * Math.ceil(lastDay / 28 / 6))
    shape(svg, "text", { x: x(day), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, day);
  shape(svg, "text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, "day");
  for (const course of panel.people)
    shape(svg, "path", { d: line(course), fill: "none", stroke: GREY, "stroke-width": 0.6, opacity: 0.35 });
  shape(svg, "path", { d: band(panel.q10, panel.q90), fill: ACCENT, opacity: 0.15 });
  shape(svg, "path", { d: band(panel.q25, panel.q75), fill: ACCENT, opacity: 0.25 });
  shape(svg, "path", { d: line(panel.held), fill: "none", stroke: "#000", "stroke-width": 1.3, "stroke-dasharray": "5 3" });
  shape(svg, "path", { d: line(panel.mean), fill: "none", stroke: ACCENT, "stroke-width": 2.4, class: "mean" });
  const ends = [["mean", panel.mean[last], ACCENT], ["constant", panel.held[last], "#000"]];
  const places = ends.map(([, value]) => y(value));
  if (Math.abs(places[0] - places[1]) < 12) {
    const above = places[0] <= places[1] ? 0 : 1, middle = (places[0] + places[1]) / 2;
    const centre = Math.min(Math.max(middle, TOP + 6), HEIGHT - BOTTOM - 6);
    places[above] = centre - 6;
    places[1 - above] = centre + 6;
  }
  ends.forEach(([name, value, colour], k) =>
    shape(svg, "text", { x: WIDTH - RIGHT + 5, y: places[k] + 4, style: `fill: ${colour}; font-weight: 600` },
      `${name} ${Number(value.toPrecision(2))}`));
  return svg;
}

/** A bar a name, with its number in a column on the right, and the limit as a dashed line. */
function barsPanel(panel) {
  const step = 24, height = TOP + step * panel.names.length + BOTTOM, left = 112, right = 128;
  const high = Math.max(panel.limit * 1.05, ...panel.values);
  const x = (value) => left + (WIDTH - left - right) * (value / high);
  const svg = canvas(`${panel.label}: ` + panel.names.map((name, k) => `${name} ${panel.texts[k]}`).join("; "), height);
  panel.names.forEach((name, k) => {
    const top = TOP + step * k, over = panel.values[k] > panel.limit;
    shape(svg, "rect", { x: left, y: top + 3, width: Math.max(0.5, x(panel.values[k]) - left), height: step - 7, fill: over ? WARNING : ACCENT });
    shape(svg, "text", { x: left - 6, y: top + 16, "text-anchor": "end" }, name);
    shape(svg, "text", { x: WIDTH - right + 6, y: top + 16, style: over ? "font-weight: 600" : "" }, (over ? "▲ " : "") + panel.texts[k]);
  });
  const bottom = TOP + step * panel.names.length;
  shape(svg, "line", { x1: x(panel.limit), x2: x(panel.limit), y1: TOP, y2: bottom, stroke: "#000", "stroke-width": 1.2, "stroke-dasharray": "5 3" });
  shape(svg, "text", { x: x(panel.limit), y: bottom + 14, "text-anchor": "middle" }, panel.limit_label);
  return svg;
}

function render({ model, el }) {
  const number = ++nWidgets;
  const root = element("section", { class: "taper-explorer", "aria-label": model.get("title") });
  const inputs = element("div", { class: "inputs" });
  const answer = element("p", { class: "answer" });
  const status = element("p", { class: "status", role: "alert" });
  const spoken = element("p", { class: "unseen", "aria-live": "polite" });
  const panels = element("div", { class: "panels" });
  const basis = element("p", { class: "basis" });
  root.append(element("h3", {}, model.get("title")), inputs, status, answer, spoken, panels, basis);
  el.append(root);

  let waiting = false, changed = false, noAnswer, quiet;

  function send() {
    if (waiting) { changed = true; return; }
    waiting = true;
    changed = false;
    noAnswer = setTimeout(() => {
      waiting = false;
      status.textContent = "No kernel answers. The picture shows the last result; run the cell to explore.";
    }, NO_ANSWER_MS);
    model.set("controls", { ...values });
    model.save_changes();
  }

  let values = { ...model.get("controls") };
  const nodes = {};

  function valueOf(entry, node) {
    if (entry.kind !== "select") return Number(node.value);
    return entry.options[node.selectedIndex];
  }

  function words(entry) {
    return entry.kind === "range" ? `${values[entry.name]} ${entry.unit || ""}`.trim() : "";
  }

  function build() {
    for (const entry of model.get("form")) {
      const id = `taper-explorer-${number}-${entry.name}`;
      const box = element("div", { class: "input" });
      const label = element("label", { for: id }, entry.label);
      const value = element("output", { for: id, "aria-hidden": "true" });
      if (entry.kind === "range") label.append(value);
      const node = entry.kind === "select" ? element("select", { id }) : element("input", { id, type: entry.kind });
      node.setAttribute("data-lm-suppress-shortcuts", "true"); // else JupyterLab takes the arrow keys of a slider
      for (const option of entry.options || []) node.append(element("option", {}, String(option)));
      node.addEventListener(entry.kind === "number" ? "change" : "input", () => {
        values[entry.name] = valueOf(entry, node);
        refresh();
        send();
      });
      box.append(label, node);
      inputs.append(box);
      nodes[entry.name] = { node, value };
    }
  }

  /** Put values and ends into the inputs; an input that has the focus keeps what its user does. */
  function refresh() {
    for (const entry of model.get("form")) {
      const { node, value } = nodes[entry.name];
      for (const key of ["min", "max", "step"]) if (key in entry) node.setAttribute(key, entry[key]);
      if (entry.kind === "select") node.selectedIndex = entry.options.indexOf(values[entry.name]);
      else if (Number(node.value) !== values[entry.name]) node.value = values[entry.name];
      value.textContent = words(entry);
      if (entry.kind === "range") node.setAttribute("aria-valuetext", words(entry));
    }
  }

  function draw() {
    const shown = model.get("shown");
    answer.textContent = shown.answer;
    basis.textContent = shown.basis;
    panels.replaceChildren(...shown.panels.map((panel) => {
      const figure = element("figure");
      figure.append(element("figcaption", {}, panel.label), panel.kind === "bars" ? barsPanel(panel) : coursesPanel(panel));
      return figure;
    }));
  }

  /** Take the kernel's answer; speak it once the user pauses. */
  function answered() {
    clearTimeout(noAnswer);
    waiting = false;
    status.textContent = model.get("problem");
    if (changed) { send(); draw(); return; }
    values = { ...model.get("controls") };
    refresh();
    draw();
    clearTimeout(quiet);
    quiet = setTimeout(() => { spoken.textContent = model.get("problem") || model.get("shown").answer; }, QUIET_MS);
  }

  build();
  refresh();
  draw();
  model.on("change:n_answers", answered);
  return () => {
    clearTimeout(noAnswer);
    clearTimeout(quiet);
    model.off("change:n_answers", answered);
  };
}

export default { render };
