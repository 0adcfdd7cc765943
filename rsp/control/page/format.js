"use strict";
// Numbers and times as people read them, and elements made of text.  Nothing here or elsewhere makes HTML of data.

const $ = (id) => document.getElementById(id);

function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "class") made.className = value;
    else if (key === "text") made.textContent = value;
    else if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const drawn = (name, attributes = {}) => {
  const made = document.createElementNS($("logo").namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function digits(value) {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3).replace(/\.?0+$/, "") || "0";
}

function count(value) {
  if (value == null) return "–";
  const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]];
  const [factor, unit] = units.find(([least]) => value >= least) || [1, ""];
  return digits(unit === "k" ? value / 1000 : value / factor) + unit;
}

const rate = (value) => (value == null ? "–" : value && value < 0.05 ? "<0.1" : count(Math.round(value * 10) / 10));

function bytes(value) {
  if (value == null) return "–";
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${digits(value)} ${units[unit]}`;
}

function seconds(value) {
  if (value == null) return "–";
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${digits(Number((value * 1000).toPrecision(3)))} ms`;
  return `${digits(Number(value.toPrecision(3)))} s`;
}

function span(value) {
  if (value == null) return "–";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [factor, unit] = units.find(([least]) => value >= least * 2) || [1, "s"];
  return `${Math.floor(value / factor)} ${unit}`;
}

const percent = (part, whole) => (whole ? `${digits(Math.round((1000 * part) / whole) / 10)} %` : "–");

function clock(at, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (withSeconds) options.second = "2-digit";
  return new Date(at * 1000).toLocaleTimeString([], options);
}

function moment(at) {
  const then = new Date(at * 1000);
  const day = then.toDateString() === new Date().toDateString() ? "" : `${then.toLocaleDateString("sv")} `;
  return element("time", { dateTime: then.toISOString(), text: day + clock(at) });
}
