/* Tables: rows of texts, numbers or elements, sorted by a click on a heading.

   Not for: what stands in them. */
"use strict";

/* A place for a table that is drawn anew when there is news: how it is sorted and scrolled stays as the reader has set it. */
kaslite.tablePlace = () => {
  const element = kaslite.make("div");
  const kept = {};
  const draw = (headings, rows, options = {}) => {
    const { scrollLeft, scrollTop } = element.firstElementChild ?? { scrollLeft: 0, scrollTop: 0 };
    const onchange = (change) => Object.assign(kept, change);
    element.replaceChildren(kaslite.table(headings, rows, { ...options, ...kept, onchange }));
    element.firstElementChild.scrollTo(scrollLeft, scrollTop);
  };
  return { element, draw };
};

/* A table in a box of its own, which scrolls where the page is too narrow for it.

   headings: texts. rows: arrays of cells. sort: {heading, down} to begin with. most: rows that are drawn before one asks for
   the rest. nothing: what is said where there are no rows. name: class of the table. onchange: told of a new sort or most. */
kaslite.table = (headings, rows, { sort = null, most = 200, nothing = "nothing yet", name = null, onchange = () => {} } = {}) => {
  if (!rows.length) return kaslite.make("p", { class: "nothing" }, nothing);
  const cells = rows.map((row) => row.map(kaslite.cell));
  const kinds = headings.map((_, place) => (kaslite.isNumeric(cells.map((row) => row[place].by)) ? "number" : null));
  const body = kaslite.make("tbody");
  const more = kaslite.make("button", { type: "button", class: "more", onclick: () => showAll() });
  const titles = headings.map((heading, place) => {
    const onclick = () => turn(heading, kinds[place] === "number");
    const button = kaslite.make("button", { type: "button", title: heading, onclick }, heading);
    return kaslite.make("th", { class: kinds[place] }, button);
  });

  const turn = (heading, isNumber) => {
    const down = sort?.heading === heading ? !sort.down : isNumber; // of numbers the largest come first
    sort = { heading, down };
    onchange({ sort });
    fill();
  };

  const showAll = () => {
    most = Infinity;
    onchange({ most });
    fill();
  };

  const fill = () => {
    const column = sort ? headings.indexOf(sort.heading) : -1;
    const order = column < 0 ? cells : kaslite.sorted(cells, column, sort.down);
    const direction = sort?.down ? "descending" : "ascending";
    titles.forEach((title, place) => title.setAttribute("aria-sort", place === column ? direction : "none"));
    const draw = (row) => row.map(({ show }, place) => kaslite.make("td", { class: kinds[place] }, show));
    body.replaceChildren(...order.slice(0, most).map((row) => kaslite.make("tr", {}, draw(row))));
    more.textContent = `show all ${kaslite.grouped(order.length)}`;
    more.hidden = order.length <= most;
  };

  fill();
  const table = kaslite.make("table", { class: name }, kaslite.make("thead", {}, kaslite.make("tr", {}, titles)), body);
  return kaslite.make("div", { class: "scroll", tabindex: "0" }, table, more);
};

/* A cell is a text, a number, null (not measured), or {show, by}: the text or element that is seen, and what it is sorted by. */
kaslite.cell = (value) => {
  const { show, by } = value !== null && typeof value === "object" ? value : { show: value, by: value };
  return { show: show instanceof Node ? show : kaslite.number(show), by: by ?? null };
};

kaslite.sorted = (cells, column, down) =>
  [...cells].sort((one, other) => {
    const [left, right] = [one[column].by, other[column].by];
    if (left === null || right === null) return (left === null) - (right === null); // what was not measured comes last
    return down ? -kaslite.order(left, right) : kaslite.order(left, right);
  });

kaslite.order = (one, other) => {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
};

/* Whether a column holds numbers: also as texts, such as "+0.1500" or "3.0 epochs". */
kaslite.isNumeric = (values) => {
  const there = values.filter((value) => value !== null && value !== "-");
  return there.every((value) => typeof value === "number" || /^[+-]?[\d.,]+( |%|$)/.test(value));
};
