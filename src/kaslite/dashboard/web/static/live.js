/* Following a run: the story comes whole, and then what is new.

   Drawn is at most four times a second, and only what is looked at. */
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
  const known = new Set(story.lifelines.map(({ seed }) => seed));
  const born = more.lifelines.filter(({ seed }) => !known.has(seed));
  story.lifelines = [...story.lifelines.map((line) => moved.get(line.seed) ?? line), ...born];
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

/* Return a function that asks for a drawing: it comes soon, not more often than it can be afforded, never in a hidden tab, and
   never while another is made. One that fails is told on the console, and is not the last. */
kaslite.paced = (draw, every_ms = 250) => {
  let [isWaiting, next_ms, last] = [false, 0, kaslite.loaded];
  const turn = async () => {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next_ms - performance.now())));
    isWaiting = false;
    if (document.hidden) return; // it is asked for again when the tab is seen
    const started_ms = performance.now();
    await draw().catch(reportError);
    const ended_ms = performance.now();
    next_ms = ended_ms + Math.max(every_ms, 3 * (ended_ms - started_ms));
  };
  const ask = () => {
    if (isWaiting) return;
    isWaiting = true;
    last = last.then(turn);
  };
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  return ask;
};

/* Follow a run in a view; the indicator says how it stands. */
kaslite.follow = (run, root) => {
  const indicator = kaslite.make("span", { class: "indicator", role: "status" });
  let [story, show] = [null, null];
  const say = (text) => {
    indicator.textContent = text;
    indicator.dataset.is = text;
  };
  const sayHowItStands = () => say(story ? (story.run.status === "running" ? "live" : "ended") : "connecting");
  const draw = kaslite.paced(async () => {
    if (!story) return;
    show ??= kaslite.runView(root, { indicator });
    await show(story);
  });
  const take = (next) => {
    story = next;
    sayHowItStands();
    draw();
  };

  let source = null;
  const open = () => {
    source = new EventSource(`/api/follow?run=${encodeURIComponent(run)}`);
    source.addEventListener("whole", ({ data }) => take(JSON.parse(data)));
    source.addEventListener("more", ({ data }) => take(kaslite.apply(story, JSON.parse(data))));
    source.addEventListener("open", sayHowItStands);
    source.addEventListener("error", complain);
  };
  const complain = async () => {
    const isRefused = source.readyState === EventSource.CLOSED; // or else the browser tries again by itself
    say(isRefused ? "disconnected" : "reconnecting");
    if (!isRefused || story) return;
    const answer = kaslite.fetchJson(`/api/run?run=${encodeURIComponent(run)}`);
    const why = await answer.then(() => "load the page anew", (error) => error.message);
    root.append(kaslite.make("p", { class: "error" }, why));
  };

  sayHowItStands();
  root.replaceChildren(kaslite.make("p", {}, indicator));
  open();
  kaslite.whileSeen(open, () => source.close());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
};

/* Close what a tab does not need once it has been hidden for a while, and open it when it is seen again: a browser keeps but
   few connections to one server, and a page that nobody reads should cost nothing. */
kaslite.whileSeen = (open, close, patience_ms = 30_000) => {
  let [timer, isOpen] = [null, true];
  const shut = () => {
    isOpen = false;
    close();
  };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(shut, patience_ms);
    else if (!isOpen) open((isOpen = true));
  });
  window.addEventListener("pagehide", shut);
  window.addEventListener("pageshow", () => isOpen || open((isOpen = true))); // it was kept, and one comes back to it
};
