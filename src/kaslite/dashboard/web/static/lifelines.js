/* A lifeline for each seed: its states as bars over the epochs, its alpha as a line in them, its last contribution beside them. */
"use strict";

kaslite.isEverLive = ({ spans }) => spans.some((span) => span.state !== "dormant");

/* Draw the lifelines of those seeds that were ever live, or of all. */
kaslite.drawLifelines = (element, story, { all = false } = {}) => {
  const lines = all ? story.lifelines : story.lifelines.filter(kaslite.isEverLive);
  element.dataset.seeds = lines.length;
  const last = kaslite.epochRange(story)[1] / 1.01;
  const states = Object.keys(kaslite.STATES).filter((state) => lines.some(({ spans }) => spans.some((span) => span.state === state)));
  const traces = [
    ...states.map((state) => kaslite.spanTrace(state, lines, last)),
    kaslite.alphaTrace(lines, story.readings),
    kaslite.contributionTrace(lines, story),
  ];
  return kaslite.plot(element, traces, kaslite.lifelinesLayout(lines, story));
};

kaslite.spanTrace = (state, lines, last) => {
  const spans = lines.flatMap(({ seed, spans: all }, row) =>
    all.filter((span) => span.state === state).map((span) => ({ ...span, seed, row, end: span.to ?? last })),
  );
  return {
    type: "bar", orientation: "h", name: state, width: state === "dormant" ? 0.12 : 0.72, hoverinfo: "text", textposition: "none",
    y: spans.map(({ row }) => row), base: spans.map(({ from }) => from), x: spans.map(({ from, end }) => Math.max(0, end - from)),
    hovertext: spans.map((span) => kaslite.spanHover(span)),
    marker: { color: kaslite.colour(state), line: { color: kaslite.colour(state), width: 1 } }, // so that no epochs are seen, too
  };
};

kaslite.spanHover = ({ seed, state, blueprint, from, to, cause }) =>
  kaslite.hover(
    `${seed}: ${state}`,
    `epoch ${from} to ${to ?? "now"}`,
    blueprint && `blueprint ${blueprint}`,
    cause && `because ${cause}`,
  );

/* One line for all seeds, with gaps between them: alpha 0 is the foot of a bar, 1 its top. */
kaslite.alphaTrace = (lines, readings) => {
  const trace = { x: [], y: [], hovertext: [] };
  lines.forEach(({ seed }, row) => {
    const mine = readings[seed];
    mine?.epoch.forEach((epoch, at) => {
      trace.x.push(epoch);
      trace.y.push(mine.alpha[at] === null ? null : row + 0.36 - 0.72 * mine.alpha[at]);
      trace.hovertext.push(kaslite.readingHover(seed, mine, at));
    });
    trace.x.push(null);
    trace.y.push(null);
    trace.hovertext.push("");
  });
  return {
    type: "scatter", mode: "lines", name: "alpha (0 to 1)", hoverinfo: "text", connectgaps: false, ...trace,
    line: { color: kaslite.css("--text"), width: 1.5 },
  };
};

kaslite.readingHover = (seed, readings, at) => {
  const told = ["alpha", "training_progress", "removal_cost", "twin_gain", "drift"].filter((name) => (readings[name]?.[at] ?? null) !== null);
  return kaslite.hover(`${seed}, epoch ${readings.epoch[at]}`, ...told.map((name) => `${kaslite.label(name)} ${kaslite.number(readings[name][at])}`));
};

/* Where the last contribution was measured that is written beside the lifeline: a triangle up if it helps, down if it harms. */
kaslite.contributionTrace = (lines, story) => {
  const points = lines.flatMap(({ seed }, row) => {
    const told = kaslite.lastContribution(story.readings[seed]);
    return told ? [{ ...told, seed, row }] : [];
  });
  return {
    type: "scatter", mode: "markers", name: "last contribution", hoverinfo: "text", yaxis: "y2",
    x: points.map(({ epoch }) => epoch), y: points.map(({ row }) => row),
    hovertext: points.map(({ seed, epoch, name, value }) => kaslite.hover(`${seed}, epoch ${epoch}`, `${kaslite.label(name)} ${kaslite.signed(value)}`)),
    marker: {
      symbol: points.map(({ value }) => (value > 0 ? "triangle-up" : "triangle-down")), size: 8,
      color: kaslite.css("--paper"), line: { width: 1.5, color: kaslite.css("--text") },
    },
  };
};

kaslite.lastContribution = (readings) => {
  for (let at = (readings?.epoch.length ?? 0) - 1; at >= 0; at -= 1) {
    for (const name of ["twin_gain", "removal_cost"]) {
      const value = readings[name]?.[at] ?? null;
      if (value !== null) return { name, value, epoch: readings.epoch[at] };
    }
  }
  return null;
};

kaslite.lifelinesLayout = (lines, story) => {
  const rowHeight = lines.length > 24 ? 20 : 28;
  const places = lines.map((_, row) => row);
  const range = [lines.length - 0.4, -0.6];
  const contributions = lines.map(({ seed }) => kaslite.lastContribution(story.readings[seed]));
  const names = lines.map(({ seed }) => kaslite.forPlot(kaslite.tail(seed, kaslite.isNarrow() ? 14 : 28)));
  return {
    height: Math.max(lines.length, 2) * rowHeight + 120, barmode: "overlay", bargap: 0,
    margin: { l: 60, r: 70, t: 70, b: 40 },
    xaxis: kaslite.axis({ title: { text: "epoch" }, range: kaslite.epochRange(story) }),
    yaxis: kaslite.axis({ range, fixedrange: true, tickvals: places, ticktext: names, automargin: true, showgrid: false }),
    yaxis2: kaslite.axis({
      range, fixedrange: true, overlaying: "y", side: "right", tickvals: places, showgrid: false, ticklen: 0,
      ticktext: contributions.map((told) => (told ? kaslite.signed(told.value) : "")),
    }),
  };
};
