/* The list of runs and sweeps: searched, sorted, and some of them chosen to be compared. */
"use strict";

kaslite.RESULTS = ["epochs", "val_accuracy", "best_accuracy", "test_accuracy", "val_loss", "final_params", "germinated", "fossilized", "culled", "wall_s"];

kaslite.link = (page, name, id, text) => kaslite.make("a", { href: `/${page}?${name}=${encodeURIComponent(id)}` }, text || "(no name)");

/* A number of a run as a cell: sorted by the number, shown as a text. */
kaslite.totalCell = (name, value) => ({ show: kaslite.total(name, value), by: value ?? null });

kaslite.dateCell = (seconds) => ({ show: kaslite.date(seconds), by: seconds ?? null });

/* A row for each run that can be chosen: a box, its name, what it is, and its results. */
kaslite.runTable = (runs, { chosen, onchoose, settings = [], link = kaslite.runLink, sort, onsort }) => {
  const results = kaslite.RESULTS.filter((name) => runs.some((run) => typeof run[name] === "number"));
  const headings = [...(chosen ? ["Compare"] : []), "Run", "Status", ...settings, ...results.map(kaslite.label), "Started"];
  const rows = runs.map((run) => [
    ...(chosen ? [kaslite.choiceCell(run, chosen, onchoose)] : []),
    { show: link(run), by: run.name }, { show: kaslite.statusLabel(run.status), by: run.status },
    ...settings.map((name) => ({ show: kaslite.setting(run.config?.[name]), by: run.config?.[name] ?? null })),
    ...results.map((name) => kaslite.totalCell(name, run[name])), kaslite.dateCell(run.started_s),
  ]);
  return kaslite.table(headings, rows, { sort, onsort, nothing: "no run is like that" });
};

kaslite.runLink = (run) => kaslite.link("run", "run", run.id, run.name);

kaslite.choiceCell = (run, chosen, onchoose) => {
  const box = kaslite.make("input", { type: "checkbox", "aria-label": `compare ${run.name}` });
  box.checked = chosen.has(run.id);
  box.addEventListener("change", () => onchoose(box.checked ? chosen.add(run.id) : chosen.delete(run.id)));
  return { show: box, by: box.checked ? "0" : "1" };
};

kaslite.sweepTable = (runs) => {
  const groups = Map.groupBy(runs.filter((run) => run.group), (run) => run.group);
  const best = (members, name) => members.reduce((most, run) => (typeof run[name] === "number" ? Math.max(most ?? -Infinity, run[name]) : most), null);
  const count = (members, status) => members.filter((run) => run.status === status).length;
  const rows = [...groups].map(([group, members]) => [
    { show: kaslite.link("sweep", "sweep", group, group), by: group }, members.length,
    ...["running", "completed", "failed", "interrupted"].map((status) => count(members, status)),
    best(members, "best_accuracy"), kaslite.dateCell(Math.min(...members.map((run) => run.started_s ?? Infinity))),
  ]);
  const headings = ["Sweep", "Runs", "Running", "Completed", "Failed", "Interrupted", "Best accuracy", "Started"];
  return kaslite.table(headings, rows, { sort: { column: 7, down: true }, nothing: "no sweep yet" });
};

/* Whether a run has all words of the search, in its name, its problem, its status or its sweep. */
kaslite.isFound = (run, words) => {
  const text = [run.name, run.id, run.problem, run.status].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

kaslite.listPage = (root) => {
  const chosen = new Set();
  const search = kaslite.make("input", { type: "search", placeholder: "search by name, problem, status, sweep", "aria-label": "search" });
  const compare = kaslite.make("button", { type: "button", class: "compare" }, "Compare");
  const [heading, sweeps, runs, unreadable] = ["h1", "div", "div", "div"].map((tag) => kaslite.make(tag));
  let [list, shown, sort] = [null, "", null];

  const choose = () => {
    compare.disabled = chosen.size < 2;
    compare.textContent = chosen.size < 2 ? "Compare: choose two runs or more" : `Compare ${chosen.size} runs`;
  };
  const draw = () => {
    const found = list.runs.filter((run) => kaslite.isFound(run, search.value.toLowerCase().split(/\s+/)));
    sort ??= { column: kaslite.RESULTS.filter((name) => found.some((run) => typeof run[name] === "number")).length + 3, down: true };
    heading.textContent = `Runs in ${list.results}`;
    sweeps.replaceChildren(kaslite.sweepTable(found));
    runs.replaceChildren(kaslite.runTable(found, { chosen, onchoose: choose, sort, onsort: (next) => (sort = next) }));
    unreadable.replaceChildren(...kaslite.unreadable(list.unreadable ?? []));
  };
  const load = async () => {
    if (!document.hidden) {
      const text = await fetch("/api/runs").then((response) => response.text());
      list = JSON.parse(text);
      if (text !== shown) draw((shown = text));
    }
    setTimeout(() => load().catch(() => setTimeout(load, 5000)), 5000);
  };

  compare.addEventListener("click", () => (location.href = `/compare?${[...chosen].map((id) => `run=${encodeURIComponent(id)}`).join("&")}`));
  search.addEventListener("input", () => list && draw());
  const title = (text) => kaslite.make("h2", {}, text);
  root.replaceChildren(
    kaslite.make("header", {}, heading, kaslite.make("p", { class: "facts" }, search, compare)),
    kaslite.make("section", { id: "sweeps" }, title("Sweeps"), sweeps),
    kaslite.make("section", { id: "runs" }, title("Runs"), runs), unreadable,
  );
  choose();
  return load();
};

kaslite.unreadable = (logs) => {
  if (!logs.length) return [];
  const rows = logs.map(({ id, why }) => [id, why]);
  return [kaslite.make("section", { id: "unreadable" }, kaslite.make("h2", {}, "Cannot be read"), kaslite.table(["Folder", "Why"], rows))];
};
