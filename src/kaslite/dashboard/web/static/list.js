/* The list of runs and sweeps: searched, sorted, and some of them chosen to be compared. */
"use strict";

kaslite.RESULTS = [
  "best_accuracy", "val_accuracy", "test_accuracy", "test_r2", "val_loss", "epochs", "final_params", "germinated", "fossilized",
  "culled", "wall_s",
];

kaslite.link = (page, name, id, text) =>
  kaslite.make("a", { href: `/${page}?${name}=${encodeURIComponent(id)}` }, text || "(no name)");

kaslite.runLink = (run) => kaslite.link("run", "run", run.id, kaslite.runName(run.name));

/* A number of a run as a cell: sorted by the number, shown as a text. */
kaslite.totalCell = (name, value) => ({ show: kaslite.total(name, value), by: value ?? null });

/* A setting as a cell: sorted by the number, or else by the text; null if it is not set. */
kaslite.settingCell = (value) => {
  const show = kaslite.setting(value);
  return { show, by: value === null || typeof value === "number" ? value : show };
};

kaslite.dateCell = (seconds) => ({ show: kaslite.date(seconds), by: seconds ?? null });

/* Columns of a table of runs: a heading, and what makes a cell of a run. */
kaslite.runColumns = (runs, { link = kaslite.runLink, settings = [] } = {}) => [
  ["Run", (run) => ({ show: link(run), by: run.name })],
  ["Status", (run) => ({ show: kaslite.statusLabel(run.status), by: run.status })],
  ...settings.map((name) => [name, (run) => kaslite.settingCell(kaslite.of(run.config, name))]),
  ...kaslite.RESULTS.filter((name) => runs.some((run) => typeof run[name] === "number")).map((name) => [
    kaslite.label(name), (run) => kaslite.totalCell(name, run[name]),
  ]),
  ["Started", (run) => kaslite.dateCell(run.started_s)],
];

/* Headings and rows of columns. */
kaslite.tabulate = (columns, runs) => [
  columns.map(([heading]) => heading),
  runs.map((run) => columns.map(([, cell]) => cell(run))),
];

kaslite.choiceCell = (run, chosen, onchoose) => {
  const box = kaslite.make("input", { type: "checkbox", "aria-label": `compare ${run.name}` });
  box.checked = chosen.has(run.id);
  box.addEventListener("change", () => onchoose(box.checked ? chosen.add(run.id) : chosen.delete(run.id)));
  return { show: box, by: box.checked ? "chosen" : "other" };
};

kaslite.sweepRows = (runs) => {
  const sweeps = Map.groupBy(runs.filter((run) => run.group), (run) => run.group);
  const count = (status) => [status, ([, members]) => members.filter((run) => run.status === status).length];
  const columns = [
    ["Sweep", ([group]) => ({ show: kaslite.link("sweep", "sweep", group, group), by: group })],
    ["Runs", ([, members]) => members.length],
    ...["running", "completed", "failed", "interrupted"].map(count),
    ["best accuracy", ([, members]) => kaslite.totalCell("best_accuracy", kaslite.best(members))],
    ["Started", ([, members]) => kaslite.dateCell(Math.min(...members.map((run) => run.started_s ?? Infinity)))],
  ];
  return kaslite.tabulate(columns, [...sweeps]);
};

kaslite.best = (runs) => {
  const accuracies = runs.map((run) => run.best_accuracy).filter((accuracy) => typeof accuracy === "number");
  return accuracies.length ? Math.max(...accuracies) : null;
};

/* Whether a run has all words of the search, in its name, its sweep, its problem or its status. */
kaslite.isFound = (run, words) => {
  const text = [run.name, run.id, run.problem, run.status].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

kaslite.listPage = async (root) => {
  const chosen = new Set();
  const hint = "search by name, problem, status, sweep";
  const search = kaslite.make("input", { type: "search", placeholder: hint, "aria-label": "search" });
  const compare = kaslite.make("button", { type: "button", class: "compare" });
  const [heading, unreadable, sweeps, runs] = [kaslite.make("h1"), kaslite.make("div"), kaslite.tablePlace(), kaslite.tablePlace()];
  const count = kaslite.make("h2");
  let [list, shown] = [null, null];

  const choose = () => {
    compare.disabled = chosen.size < 2;
    compare.textContent = chosen.size < 2 ? "Compare: choose two runs or more" : `Compare ${chosen.size} runs`;
  };
  const draw = () => {
    const found = list.runs.filter((run) => kaslite.isFound(run, search.value.toLowerCase().split(/\s+/)));
    const [name, ...others] = kaslite.runColumns(found);
    const columns = [
      ["Compare", (run) => kaslite.choiceCell(run, chosen, choose)], name,
      ["Problem", (run) => run.problem ?? null], ...others, ["Folder", (run) => run.id],
    ];
    const sort = { heading: "Started", down: true };
    const nothing = (what) => (search.value.trim() ? `no ${what} is like that` : `there is no ${what} yet`);
    heading.textContent = `Runs in ${list.results}`;
    document.title = `${list.results} - kaslite`;
    count.textContent = found.length < list.runs.length ? `Runs: ${found.length} of ${list.runs.length}` : `Runs: ${found.length}`;
    sweeps.draw(...kaslite.sweepRows(found), { sort, nothing: nothing("sweep") });
    runs.draw(...kaslite.tabulate(columns, found), { sort, nothing: nothing("run") });
    unreadable.replaceChildren(...kaslite.unreadable(list.unreadable));
  };
  const load = async () => {
    const next = await kaslite.fetchJson("/api/runs");
    if (JSON.stringify(next) === shown) return;
    [list, shown] = [next, JSON.stringify(next)];
    draw();
  };
  const refresh = async () => {
    if (!document.hidden) await load().catch(() => {}); // the server has gone; it may come again
    setTimeout(refresh, 5000);
  };

  compare.addEventListener("click", () => {
    location.href = `/compare?${new URLSearchParams([...chosen].map((id) => ["run", id]))}`;
  });
  search.addEventListener("input", draw);
  await load();
  choose();
  root.replaceChildren(
    kaslite.make("header", {}, heading, kaslite.make("p", { class: "facts" }, search, compare)),
    kaslite.make("section", { id: "sweeps" }, kaslite.make("h2", {}, "Sweeps"), sweeps.element),
    kaslite.make("section", { id: "runs" }, count, runs.element), unreadable,
  );
  setTimeout(refresh, 5000);
};

kaslite.unreadable = (logs) => {
  if (!logs?.length) return [];
  const reason = (why) => ({ show: kaslite.make("span", { class: "reason" }, why), by: why });
  const table = kaslite.table(["Folder", "Why"], logs.map(({ id, why }) => [id, reason(why)]));
  return [kaslite.make("section", { id: "unreadable" }, kaslite.make("h2", {}, "Cannot be read"), table)];
};
