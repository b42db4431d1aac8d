/* The runs of a sweep: the settings that vary and what came of them, with the curves of the best. */
"use strict";

/* Show a sweep. link: from a row to what leads to its run. storyOf: from a row to its story, or null if there is none. */
kaslite.sweepView = async (root, { name, runs, unreadable }, { link, storyOf }) => {
  const plot = kaslite.make("div");
  const settings = kaslite.differences(runs.map((run) => run.config));
  const table = kaslite.table(...kaslite.tabulate(kaslite.runColumns(runs, { link, settings }), kaslite.bestFirst(runs)));
  const best = kaslite.bestFirst(runs).slice(0, kaslite.MOST_DRAWN);
  const chosen = `Drawn are ${best.length < runs.length ? `the best ${best.length} of` : "all"} ${runs.length} runs.`;
  document.title = `${name} - kaslite`;
  root.replaceChildren(
    kaslite.make(
      "header", {},
      kaslite.make("h1", {}, `Sweep ${name}`), kaslite.make("p", { class: "facts" }, kaslite.statusCounts(runs)),
    ),
    kaslite.make("section", { id: "runs" }, kaslite.make("h2", {}, "Runs"), table),
    kaslite.make("section", { id: "curves" }, kaslite.make("h2", {}, "Curves"), kaslite.muted(chosen, "p"), plot),
    ...kaslite.unreadable(unreadable ?? []),
  );
  const stories = (await Promise.all(best.map(storyOf))).filter(Boolean);
  await kaslite.loaded;
  if (stories.length) kaslite.drawOverlay(plot, stories.map((story) => ({ story })));
};

kaslite.statusCounts = (runs) =>
  [...Map.groupBy(runs, (run) => run.status)].map(([status, members]) =>
    kaslite.make("span", {}, `${members.length} `, kaslite.statusLabel(status)),
  );

/* By validation accuracy, or, where there is none, by the smallest loss. */
kaslite.bestFirst = (runs) => {
  const worth = (run) => run.val_accuracy ?? (typeof run.val_loss === "number" ? -run.val_loss : -Infinity);
  return [...runs].sort((one, other) => worth(other) - worth(one));
};

kaslite.sweepPage = async (root) => {
  const group = new URLSearchParams(location.search).get("sweep") ?? "";
  const list = await kaslite.fetchJson(`/api/runs?group=${encodeURIComponent(group)}`);
  const storyOf = (run) => kaslite.fetchJson(`/api/run?run=${encodeURIComponent(run.id)}`).catch(() => null);
  return kaslite.sweepView(root, { ...list, name: group }, { link: kaslite.runLink, storyOf });
};
