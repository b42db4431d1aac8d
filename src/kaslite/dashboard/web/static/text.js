/* Numbers and texts as people read them, and elements made of them.

   All that comes from a log is untrusted. It becomes text of an element (`make`) or text of a plot (`forPlot`), never markup.
   Not for: what is shown where. */
"use strict";

const kaslite = {};

/* Whole numbers with separators, others with some digits; "-" where nothing was measured. */
kaslite.number = (value, digits = 4) => {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return kaslite.grouped(value);
  const size = Math.abs(value);
  return size >= 1e6 || (size > 0 && size < 10 ** -digits) ? value.toExponential(2).replace("+", "") : value.toFixed(digits);
};

kaslite.grouped = (whole) =>
  Math.abs(whole) >= 1e9 ? whole.toExponential(3).replace("+", "") : String(whole).replace(/\B(?=(\d{3})+$)/g, ",");

kaslite.signed = (value) => (typeof value === "number" && value > 0 ? "+" : "") + kaslite.number(value);

kaslite.seconds = (value) => {
  if (typeof value !== "number") return "-";
  if (value < 60) return `${value.toFixed(1)} s`;
  const minutes = Math.floor(Math.round(value) / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(value) % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

kaslite.date = (seconds) => {
  if (!seconds) return "-";
  const at = new Date(seconds * 1000);
  const two = (part) => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
};

/* A long name without its middle: runs differ at the end. */
kaslite.shortened = (name) => {
  const letters = [...name];
  return letters.length <= kaslite.LONG ? name : `${letters.slice(0, 10).join("")}…${letters.slice(-kaslite.TAIL).join("")}`;
};
kaslite.LONG = 34;
kaslite.TAIL = 11;

/* Likewise as an element, which still holds all of it. */
kaslite.runName = (name) => {
  const letters = [...(name ?? "")];
  if (letters.length <= kaslite.LONG) return name;
  const begin = kaslite.make("span", { class: "begin" }, letters.slice(0, -kaslite.TAIL).join(""));
  return kaslite.make("span", { title: name }, begin, letters.slice(-kaslite.TAIL).join(""));
};

/* A name of metrics.json as a label. */
kaslite.label = (name) => kaslite.label.special[name] ?? name.replace(/_/g, " ");
kaslite.label.special = {
  __proto__: null,
  host_params: "host parameters", final_params: "parameters", train_flops: "training FLOPs",
  eval_flops: "evaluation FLOPs", wall_s: "time", rng_seed: "rng seed", test_r2: "test R²", val_r2: "val R²",
};

/* A number of a run under its name in metrics.json. */
kaslite.total = (name, value) => {
  if (name.endsWith("_s")) return kaslite.seconds(value);
  return typeof value === "number" && /accuracy|loss|r2/.test(name) ? value.toFixed(4) : kaslite.number(value);
};

/* Keep the end of a long dotted name: it is what tells it from others. */
kaslite.tail = (text, most) => (text.length > most ? `…${text.slice(1 - most)}` : text);

/* Plotly reads its texts as a kind of HTML. */
kaslite.forPlot = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/* Lines of a tooltip of a plot, the long ones broken. */
kaslite.hover = (...lines) =>
  lines
    .filter((line) => line !== null && line !== undefined && line !== "")
    .flatMap((line) => String(line).match(/.{1,72}(?:\s|$)|\S{1,72}/g) ?? [])
    .map((line) => kaslite.forPlot(line.trim()))
    .join("<br>");

/* Make an element: make("p", {class: "note", title: "..."}, "text", child). Texts become text nodes. */
kaslite.make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
};

/* What a log has under a name that it chose itself, which may be one that every object has; null if there is nothing. */
kaslite.of = (record, name) => (record && Object.hasOwn(record, name) ? record[name] : null);

/* A text of less weight. */
kaslite.muted = (text, tag = "span") => kaslite.make(tag, { class: "muted" }, text);
