/* Several runs beside one another: what they came to, in which settings they differ, and their curves. */
"use strict";

kaslite.comparePage = async (root) => {
  const asked = new URLSearchParams(location.search).getAll("run");
  const ids = asked.slice(0, kaslite.MOST_DRAWN);
  const storyOf = (id) => kaslite.fetchJson(`/api/run?run=${encodeURIComponent(id)}`).catch((error) => error);
  const found = (await Promise.all(ids.map(storyOf))).map((story, place) => ({ id: ids[place], story }));
  const runs = found.filter(({ story }) => !(story instanceof Error));
  if (!runs.length) throw found[0]?.story ?? new Error("no run is given; choose some in the list.");
  const left = asked.length - ids.length;
  const note = [
    ...found.filter(({ story }) => story instanceof Error).map(({ story }) => kaslite.muted(story.message, "p")),
    left > 0 ? kaslite.muted(`The first ${ids.length} runs are shown; ${left} are left out.`, "p") : null,
  ];
  await kaslite.loaded;
  kaslite.compareView(root, runs, note);
};

kaslite.compareView = (root, runs, note) => {
  const plot = kaslite.make("div");
  document.title = `${runs.length} runs compared - kaslite`;
  root.replaceChildren(
    ...[kaslite.make("header", {}, kaslite.make("h1", {}, `${runs.length} ${runs.length === 1 ? "run" : "runs"} compared`), note)],
    kaslite.make("section", { id: "curves" }, kaslite.make("h2", {}, "Curves"), plot),
    kaslite.make("section", { id: "totals" }, kaslite.make("h2", {}, "Totals"), kaslite.totalsTable(runs)),
    kaslite.make("section", { id: "differences" }, kaslite.make("h2", {}, "Settings that differ"), kaslite.differenceTable(runs)),
  );
  kaslite.drawOverlay(plot, runs);
};

kaslite.columns = (runs) => runs.map(({ story }) => kaslite.shortened(story.run.name));

kaslite.totalsTable = (runs) => {
  const names = [...new Set(runs.flatMap(({ story }) => Object.keys(story.totals)))];
  const cell = (name, value = null) => {
    const shown = kaslite.make("span", { "data-name": name, "data-value": JSON.stringify(value) }, kaslite.total(name, value));
    return { show: shown, by: value };
  };
  const rows = runs.map(({ id, story }) => [
    { show: kaslite.link("run", "run", id, kaslite.runName(story.run.name)), by: story.run.name },
    ...names.map((name) => cell(name, kaslite.of(story.totals, name))),
  ]);
  return kaslite.table(["Run", ...names.map(kaslite.label)], rows);
};

kaslite.differenceTable = (runs) => {
  const configs = runs.map(({ story }) => story.run.config ?? {});
  const rows = kaslite.differences(configs).map((name) => [name, ...configs.map((config) => kaslite.setting(kaslite.of(config, name)))]);
  return kaslite.table(["Setting", ...kaslite.columns(runs)], rows, { nothing: "all settings are the same" });
};
