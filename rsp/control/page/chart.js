// Line charts and sparklines, as SVG.  A chart can be read with the pointer or, when it has the focus, with ← and →.

const WIDTH = 1000;
const HEIGHT = 100;

// The lines of points with a gap where there is no value.
function path(values, most, closed = false) {
  const step = WIDTH / Math.max(1, values.length - 1);
  let text = "";
  let first = null;
  values.forEach((value, index) => {
    const x = (index * step).toFixed(1);
    if (value == null) {
      if (closed && first !== null) text += `V${HEIGHT}H${first}Z`;
      first = null;
      return;
    }
    const y = (HEIGHT - (HEIGHT * Math.min(value, most)) / most).toFixed(2);
    if (first === null) text += closed ? `M${x} ${HEIGHT}V${y}` : `M${x} ${y}h.01`;
    else text += `L${x} ${y}`;
    if (first === null) first = x;
    if (closed && index === values.length - 1) text += `V${HEIGHT}H${first}Z`;
  });
  return text;
}

// The next number above that is easy to read.
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 7.5, 10, 15].find((factor) => factor * power >= value * 1.02) * power;
}

function largest(columns) {
  let most = 0;
  for (const column of columns) for (const value of column) if (value > most) most = value;
  return most;
}

class Chart {
  // `series`: [column, label, class]; the first one is filled where `filled`.
  constructor(figure, series, show, filled) {
    Object.assign(this, { figure, series, show, filled, at: null, points: null });
    this.caption = figure.querySelector("figcaption").textContent;
    this.plot = element("div", { class: "plot", tabIndex: 0, role: "img" });
    this.svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.times = element("div", { class: "times" }, element("span"), element("span"), element("span"));
    this.none = element("div", { class: "empty", text: "No requests yet" });
    this.marks = [0.5, 1].map((part) => ({ part, label: element("span", { class: "tick" }) }));
    for (const { part } of [...this.marks, { part: 0 }]) {
      const y = HEIGHT - HEIGHT * part;
      this.svg.append(drawn("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
    }
    this.area = drawn("path", { class: `area ${series[0][2]}` });
    this.lines = series.map(([, , name]) => drawn("path", { class: `line ${name}` }));
    this.cross = drawn("line", { class: "cross", y1: 0, y2: HEIGHT });
    this.svg.append(this.area, ...[...this.lines].reverse(), this.cross);
    this.plot.append(this.svg, this.none, ...this.marks.map((mark) => mark.label));
    for (const { part, label } of this.marks) label.style.top = `${100 - 100 * part + (part === 1 ? 14 : 0)}%`;
    this.legend();
    figure.append(this.plot, this.times);
    this.listen();
  }

  legend() {
    this.values = this.series.map(() => element("b"));
    this.when = element("span");
    const keys = this.series.map(([, label, name], index) =>
      element("span", { class: `key ${name}` }, element("b", { text: `${label} ` }), this.values[index]));
    this.figure.querySelector("figcaption").replaceChildren(this.caption, ...keys, this.when);
  }

  listen() {
    this.plot.addEventListener("pointermove", (event) => {
      const box = this.plot.getBoundingClientRect();
      this.point(Math.round(((event.clientX - box.left) / box.width) * (this.length - 1)));
    });
    this.plot.addEventListener("pointerleave", () => this.point(null));
    this.plot.addEventListener("blur", () => this.point(null));
    this.plot.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
      if (!move) return;
      event.preventDefault();
      this.point((this.at ?? this.length - 1) + move);
    });
  }

  get length() {
    return this.points ? Object.values(this.points.columns)[0].length : 0;
  }

  point(index) {
    this.at = index === null || !this.length ? null : Math.max(0, Math.min(this.length - 1, index));
    this.tell();
  }

  draw(points) {
    this.points = points;
    const columns = this.series.map(([name]) => points.columns[name] || []);
    const most = ceiling(largest(columns));
    this.none.hidden = columns.some((column) => column.some((value) => value != null));
    setText(this.none, points.columns[this.series[0][0]] ? "No requests yet" : "Routes with metrics = true have response times");
    columns.forEach((column, index) => this.lines[index].setAttribute("d", path(column, most)));
    this.area.setAttribute("d", this.filled ? path(columns[0], most, true) : "");
    for (const { part, label } of this.marks) setText(label, this.none.hidden ? this.show(most * part) : "");
    const long = points.step < 60;
    const [start, middle, end] = this.times.children;
    const first = points.end - this.length * points.step;
    setText(start, this.length ? clock(first, long) : "");
    setText(middle, this.length ? clock((first + points.end) / 2, long) : "");
    setText(end, this.length ? clock(points.end, long) : "");
    if (this.at !== null) this.at = Math.min(this.at, this.length - 1);
    this.tell();
  }

  // The values at the cross, else the newest ones.
  tell() {
    if (!this.points) return;
    const index = this.at ?? this.length - 1;
    const x = this.length > 1 ? (index * WIDTH) / (this.length - 1) : 0;
    this.cross.style.display = this.at === null ? "none" : "";
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    const values = this.series.map(([name, label], at) => {
      const text = this.show((this.points.columns[name] || [])[index]);
      setText(this.values[at], text);
      return `${label} ${text}`;
    });
    const time = this.length ? clock(this.points.end - (this.length - 1 - index) * this.points.step) : "";
    setText(this.when, this.at === null ? "" : `at ${time}`);
    this.plot.setAttribute("aria-label", `${this.caption}: ${values.join(", ")}, at ${time}`);
  }
}

// Requests, and those with errors over them.
function spark(svg, all, errors) {
  const most = Math.max(largest([all]), 1e-9);
  if (!svg.firstChild) {
    svg.append(drawn("path", { class: "area c-all" }), drawn("path", { class: "line c-all" }), drawn("path", { class: "line c-5xx" }));
  }
  const [area, line, wrong] = svg.children;
  const padded = all.length < 60 ? [...Array(60 - all.length).fill(null), ...all] : all;
  const bad = errors.length < 60 ? [...Array(60 - errors.length).fill(null), ...errors] : errors;
  area.setAttribute("d", path(padded, most * 1.1, true));
  line.setAttribute("d", path(padded, most * 1.1));
  wrong.setAttribute("d", largest([errors]) ? path(bad, most * 1.1) : "");
}

const newSpark = () =>
  drawn("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
