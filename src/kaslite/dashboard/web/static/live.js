/* Following a run: the story comes whole, and then what is new. Drawn is at most four times a second, and only what is looked at. */
"use strict";

kaslite.fetchJson = async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error((await response.text()) || `the server answers ${response.status}`);
  return response.json();
};

/* Take what is new into the story. */
kaslite.apply = (story, more) => {
  for (const name of ["run", "totals", "seeds", "blending", "blueprints"]) story[name] = more[name];
  const moved = new Map(more.lifelines.map((line) => [line.seed, line]));
  const known = story.lifelines.map(({ seed }) => seed);
  story.lifelines = [...known.map((seed, place) => moved.get(seed) ?? story.lifelines[place]), ...more.lifelines.filter(({ seed }) => !known.includes(seed))];
  const { curves = {}, readings = {}, marks = [], decisions = [] } = more.append ?? {};
  kaslite.appendTo(story.curves, curves);
  for (const [seed, tail] of Object.entries(readings)) kaslite.appendTo((story.readings[seed] ??= {}), tail);
  for (const mark of marks) story.marks.push(mark);
  for (const decision of decisions) story.decisions.push(decision);
  return story;
};

kaslite.appendTo = (columns, tails) => {
  for (const [name, tail] of Object.entries(tails)) {
    const column = (columns[name] ??= []);
    for (const value of tail) column.push(value);
  }
};

/* Return a function that asks for a drawing: it comes soon, not more often than it can be afforded, and never in a hidden tab. */
kaslite.paced = (draw, every_ms = 250) => {
  let [isWaiting, next_ms] = [false, 0];
  const now = () => {
    isWaiting = false;
    if (document.hidden) return; // it is asked for again when the tab is seen
    const started_ms = performance.now();
    draw();
    const ended_ms = performance.now();
    next_ms = ended_ms + Math.max(every_ms, 3 * (ended_ms - started_ms));
  };
  const ask = () => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(now, Math.max(0, next_ms - performance.now()));
  };
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  return ask;
};

/* Follow a run in a view; the indicator says how it stands. */
kaslite.follow = (run, root) => {
  const indicator = kaslite.make("span", { class: "indicator", role: "status" }, "connecting");
  const show = kaslite.runView(root, { indicator });
  let story = null;
  const draw = kaslite.paced(() => {
    if (story) show(story);
    if (story) root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
  });
  const say = (text) => {
    indicator.textContent = text;
    indicator.dataset.is = text;
  };
  const source = new EventSource(`/api/follow?run=${encodeURIComponent(run)}`);
  const take = (next) => {
    story = next;
    say(story.run.status === "running" ? "live" : "ended");
    draw();
  };
  source.addEventListener("whole", ({ data }) => take(JSON.parse(data)));
  source.addEventListener("more", ({ data }) => story && take(kaslite.apply(story, JSON.parse(data))));
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "disconnected" : "reconnecting");
  source.onopen = () => story && say(story.run.status === "running" ? "live" : "ended");
  window.addEventListener("pagehide", () => source.close());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
};
