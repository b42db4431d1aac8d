/* Where a page begins: a report with its data in it, or else the live page of its address. */
"use strict";

kaslite.PAGES = {
  "/": kaslite.listPage,
  "/compare": kaslite.comparePage,
  "/sweep": kaslite.sweepPage,
  "/run": (root) => kaslite.follow(new URLSearchParams(location.search).get("run") ?? "", root),
};

/* A report of a run, or of a sweep whose runs are reached by the part of the address after "#". */
kaslite.report = async (root, data) => {
  await kaslite.loaded;
  if (data.kind === "run") return kaslite.runView(root)(data.story);
  const storyOf = (run) => kaslite.of(data.stories, run.id);
  const link = (run) => (storyOf(run) ? kaslite.make("a", { href: `#${encodeURIComponent(run.id)}` }, run.name) : run.name);
  const show = () => {
    const story = kaslite.of(data.stories, decodeURIComponent(location.hash.slice(1)));
    if (!story) return kaslite.sweepView(root, data, { link, storyOf });
    const view = kaslite.make("div");
    root.replaceChildren(kaslite.make("p", {}, kaslite.make("a", { href: "#" }, `← sweep ${data.name}`)), view);
    return kaslite.runView(view)(story);
  };
  window.addEventListener("hashchange", show);
  return show();
};

kaslite.start = async () => {
  const root = document.querySelector("main");
  const data = document.getElementById("data");
  try {
    await (data ? kaslite.report(root, JSON.parse(data.textContent)) : kaslite.PAGES[location.pathname](root));
  } catch (error) {
    root.replaceChildren(kaslite.make("p", { class: "error" }, `This cannot be shown: ${error.message}`));
    throw error;
  }
};

kaslite.start();
