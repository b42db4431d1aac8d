/* The view of one run: its sections in their order, each drawn from the story.

   Not for: where the story comes from. */
"use strict";

/* Make the sections and return the function that draws a story into them, as often as there is news: first what is seen first,
   and the rest once that is on the screen, since the lifelines of many seeds take as long as all else. */
kaslite.runView = (root, { indicator = null } = {}) => {
  const header = kaslite.make("header");
  const section = (id, title, ...content) => kaslite.make("section", { id }, kaslite.make("h2", {}, title), content);
  const place = (name = "") => kaslite.make("div", { class: name });
  const at = {
    totals: place(), curves: place("plot"), architecture: place(), lifelines: place("plot"), asleep: place("muted"),
    settings: place(),
  };
  const tables = Object.fromEntries(["seeds", "blending", "blueprints", "decisions"].map((name) => [name, kaslite.tablePlace()]));
  root.replaceChildren(
    header,
    section("totals", "Totals", at.totals),
    section("curves", "Curves", at.curves),
    section("architecture", "Architecture", kaslite.stateLegend(), at.architecture),
    section("lifelines", "Lifelines", kaslite.stateLegend(), kaslite.muted(kaslite.LIFELINES, "p"), at.lifelines, at.asleep),
    section("seeds", "Seeds", tables.seeds.element),
    section("blending", "Blending analytics", tables.blending.element),
    section("blueprints", "Blueprint analytics", tables.blueprints.element),
    section("decisions", "Decisions", tables.decisions.element),
    section("settings", "Settings", at.settings),
  );
  const changed = kaslite.changes();

  return async (story) => {
    document.title = `${story.run.name || "a run"} - kaslite`;
    header.replaceChildren(...kaslite.runHeader(story.run, indicator));
    at.totals.replaceChildren(kaslite.totalsList(story.totals));
    kaslite.drawCurves(at.curves, story);
    await kaslite.painted();
    kaslite.drawArchitecture(at.architecture, story);
    kaslite.drawLifelines(at.lifelines, story);
    at.asleep.textContent = kaslite.asleep(story);
    kaslite.zoomTogether(at.curves, at.lifelines);
    tables.seeds.draw(...kaslite.seedRows(story.seeds));
    for (const name of ["blending", "blueprints"]) {
      if (changed(name, story[name])) tables[name].draw(story[name].headings, story[name].rows, { nothing: kaslite.NOTHING[name] });
    }
    if (changed("decisions", story.decisions.length)) tables.decisions.draw(...kaslite.decisionRows(story.decisions));
    if (changed("settings", story.run.config)) at.settings.replaceChildren(kaslite.settings(story.run));
  };
};

kaslite.NOTHING = { blending: "no blend has begun yet", blueprints: "no seed has germinated yet" };

/* Return what says whether something is another than it was when it was last asked. */
kaslite.changes = () => {
  const last = {};
  return (name, value) => {
    const now = JSON.stringify(value);
    const isNew = now !== last[name];
    last[name] = now;
    return isNew;
  };
};

kaslite.runHeader = (run, indicator) => {
  const planned = run.planned_epochs ? ` / ${kaslite.grouped(run.planned_epochs)}` : "";
  const bar = planned && kaslite.make("progress", { max: run.planned_epochs, value: run.epoch ?? 0, "aria-label": "epochs" });
  const epoch = `epoch ${kaslite.grouped(run.epoch ?? 0)}${planned}`;
  const facts = [run.problem, run.phase, epoch, `started ${kaslite.date(run.started_s)}`].filter(Boolean);
  const told = facts.map((fact) => kaslite.make("span", {}, fact));
  return [
    kaslite.make("h1", {}, run.name || "a run"),
    kaslite.make("p", { class: "facts" }, kaslite.statusLabel(run.status), indicator, told, bar),
    // What went wrong in the run, and what in reading its log.
    ...[run.error, run.trouble].map((what) => what && kaslite.make("p", { class: "error" }, what)),
    run.thought ? kaslite.make("p", { class: "thought" }, kaslite.make("b", {}, "Controller: "), run.thought) : null,
  ].filter(Boolean);
};

kaslite.statusLabel = (status) => kaslite.make("span", { class: "status", "data-status": status }, status);

/* Each number exactly, for those who read it by machine, beside the text for people. */
kaslite.totalsList = (totals) =>
  kaslite.make(
    "dl", { class: "totals" },
    Object.entries(totals).map(([name, value]) =>
      kaslite.make(
        "div", {},
        kaslite.make("dt", {}, kaslite.label(name)),
        kaslite.make("dd", { "data-name": name, "data-value": JSON.stringify(value) }, kaslite.total(name, value)),
      ),
    ),
  );

kaslite.asleep = ({ seeds, lifelines }) => {
  const rest = seeds.length - lifelines.length;
  if (!lifelines.length) return `No seed has germinated yet; dormant: ${kaslite.grouped(rest)}.`;
  return rest > 0 ? `Always dormant: ${kaslite.grouped(rest)} more.` : "";
};

kaslite.seedRows = (seeds) => {
  const columns = ["params", "alpha", "training_progress", "removal_cost", "twin_gain", "drift", "scale_drift", "health"];
  const live = seeds.filter((seed) => seed.state !== "dormant");
  const rows = live.map((seed) => [
    seed.seed, { show: kaslite.stateLabel(seed.state), by: seed.state }, seed.blueprint, seed.blend_strategy,
    ...columns.map((name) => seed[name] ?? null),
  ]);
  const headings = ["Seed", "State", "Blueprint", "Strategy", ...columns.map((name) => kaslite.label(name))];
  return [headings, rows, { nothing: `all ${kaslite.grouped(seeds.length)} seeds are dormant` }];
};

kaslite.decisionRows = (decisions) => {
  const rows = decisions.map(({ epoch, decision, seed, blueprint, reason, refusal }) => {
    const refused = refusal ? kaslite.make("span", { class: "refusal" }, `refused: ${refusal}`) : "carried out";
    const why = kaslite.make("span", { class: "reason" }, reason);
    return [epoch, decision, seed, blueprint, { show: why, by: reason }, { show: refused, by: refusal ?? "" }];
  });
  const headings = ["Epoch", "Decision", "Seed", "Blueprint", "Reason", "Outcome"];
  return [headings, rows.reverse(), { nothing: "nothing was decided yet", name: "decisions" }];
};

kaslite.settings = ({ config, versions, key }) => {
  const used = Object.entries(versions ?? {}).map(([name, version]) => [`version of ${name}`, version]);
  const rows = [...Object.entries(config ?? {}), ...used, ["key", key]];
  const list = kaslite.table(["Setting", "Value"], rows.map(([name, value]) => [name, kaslite.setting(value)]), { most: Infinity });
  return kaslite.make("details", {}, kaslite.make("summary", {}, `${rows.length} settings and versions`), list);
};

kaslite.setting = (value) => {
  if (value === null || value === undefined) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
};
