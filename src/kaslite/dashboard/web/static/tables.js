/* Tables: rows of texts, numbers or elements, sorted by a click on a heading.

   Not for: what stands in them. */
"use strict";

/* A cell is a text, a number, an element, null (not measured), or {show, by}: what is seen, and what it is sorted by. */
kaslite.cell = (value) => {
  const isPair = value !== null && typeof value === "object" && "show" in value;
  const show = isPair ? value.show : value;
  const by = isPair ? value.by : value;
  return { show: show instanceof Node ? show : kaslite.number(show), by: by ?? null };
};

kaslite.compareCells = (one, other) => {
  if (one === null || other === null) return (one === null) - (other === null); // what was not measured comes last
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
};

/* A table in a box of its own, which scrolls where the page is too narrow for it.

   headings: texts. rows: arrays of cells. sort: {column, down} to begin with. most: rows that are drawn before one asks for
   the rest. nothing: what is said where there are no rows. name: class of the table. */
kaslite.table = (headings, rows, { sort = null, most = 200, nothing = "nothing yet", onsort = null, name = null } = {}) => {
  if (!rows.length) return kaslite.make("p", { class: "nothing" }, nothing);
  const cells = rows.map((row) => row.map(kaslite.cell));
  const isNumber = headings.map((_, place) => kaslite.isNumeric(cells.map((row) => row[place].by)));
  const body = kaslite.make("tbody");
  const state = { sort: sort && { ...sort }, most };
  const more = kaslite.make("button", { type: "button", class: "more", onclick: () => fill((state.most = Infinity)) });
  const buttons = headings.map((heading, column) => kaslite.make("button", { type: "button", onclick: () => turn(column) }, heading));
  const titles = buttons.map((button, place) => kaslite.make("th", { class: isNumber[place] ? "number" : null }, button));

  function turn(column) {
    const wasUp = state.sort?.column === column && !state.sort.down;
    state.sort = { column, down: state.sort?.column === column ? wasUp : isNumber[column] };
    onsort?.(state.sort);
    fill();
  }

  function fill() {
    const order = state.sort ? kaslite.sorted(cells, state.sort) : cells;
    titles.forEach((title, place) => {
      const isSorted = state.sort?.column === place;
      title.setAttribute("aria-sort", isSorted ? (state.sort.down ? "descending" : "ascending") : "none");
    });
    const drawn = order.slice(0, state.most).map((row) =>
      kaslite.make("tr", {}, row.map((cell, place) => kaslite.make("td", { class: isNumber[place] ? "number" : null }, cell.show))),
    );
    body.replaceChildren(...drawn);
    more.textContent = `show all ${kaslite.grouped(order.length)}`;
    more.hidden = order.length <= state.most;
  }

  fill();
  const table = kaslite.make("table", { class: name }, kaslite.make("thead", {}, kaslite.make("tr", {}, titles)), body);
  return kaslite.make("div", { class: "scroll", tabindex: "0" }, table, more);
};

kaslite.sorted = (cells, { column, down }) =>
  [...cells].sort((one, other) => {
    const [left, right] = [one[column].by, other[column].by];
    const order = kaslite.compareCells(left, right);
    return down && left !== null && right !== null ? -order : order;
  });

/* Whether a column holds numbers: also as texts, such as "+0.1500" or "3.0 epochs". */
kaslite.isNumeric = (values) => {
  const there = values.filter((value) => value !== null && value !== "-");
  return there.every((value) => typeof value === "number" || /^[+-]?[\d.,]+( |%|$)/.test(value));
};
