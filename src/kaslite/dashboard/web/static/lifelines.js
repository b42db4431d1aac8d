/* A lifeline for each seed: its states as bars over the epochs, its alpha as a line in them, its last contribution beside them. */
"use strict";

kaslite.LIFELINES =
  "The line is alpha: 0 at the foot of a bar, 1 at its top. The number on the right is the last contribution that was measured, " +
  "where the triangle is: twin gain, or else removal cost. Point at a bar to read why the seed came into that state.";

/* The lifelines in the order of the host; a seed that was always dormant has none. */
kaslite.inOrder = ({ seeds, lifelines }) => {
  const places = new Map(seeds.map(({ seed }, place) => [seed, place]));
  return [...lifelines].sort((one, other) => (places.get(one.seed) ?? Infinity) - (places.get(other.seed) ?? Infinity));
};

kaslite.drawLifelines = (element, story) => {
  const lines = kaslite.inOrder(story);
  element.dataset.seeds = lines.length;
  element.hidden = !lines.length;
  if (element.hidden) return null;
  const last = kaslite.epochRange(story)[1] / 1.01;
  const seen = new Set(lines.flatMap(({ spans }) => spans.map((span) => span.state)));
  const states = Object.keys(kaslite.STATES).filter((state) => seen.has(state));
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
    type: "bar", orientation: "h", name: state, width: 0.72, hoverinfo: "text", textposition: "none",
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
  const gap = () => [trace.x, trace.y, trace.hovertext].forEach((column) => column.push(null));
  lines.forEach(({ seed, spans }, row) => {
    const mine = readings[seed];
    const births = spans.filter((span) => span.state === "germinated").map((span) => span.from);
    const texts = kaslite.readingTexts(seed, mine);
    mine?.epoch.forEach((epoch, at) => {
      if (at && births.some((birth) => mine.epoch[at - 1] <= birth && birth < epoch)) gap(); // another seed in the same place
      trace.x.push(epoch);
      trace.y.push(mine.alpha[at] === null ? null : row + 0.36 - 0.72 * mine.alpha[at]);
      trace.hovertext.push(texts[at]);
    });
    gap();
  });
  return {
    type: "scatter", mode: "lines", name: "alpha (0 to 1)", hoverinfo: "text", connectgaps: false, ...trace,
    line: { color: kaslite.css("--text"), width: 1.5 },
  };
};

/* Texts of all readings of a seed; those that were made for an earlier drawing are kept with them. */
kaslite.readingTexts = (seed, readings) => {
  const texts = (readings ?? {}).texts ?? [];
  for (let at = texts.length; at < (readings?.epoch.length ?? 0); at += 1) texts.push(kaslite.readingHover(seed, readings, at));
  if (readings) readings.texts = texts;
  return texts;
};

kaslite.readingHover = (seed, readings, at) => {
  const names = ["alpha", "training_progress", "removal_cost", "twin_gain", "drift"];
  const told = names.filter((name) => (readings[name]?.[at] ?? null) !== null);
  const lines = told.map((name) => `${kaslite.label(name)} ${kaslite.number(readings[name][at])}`);
  return kaslite.hover(`${seed}, epoch ${readings.epoch[at]}`, ...lines);
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
    hovertext: points.map(({ seed, epoch, name, value }) =>
      kaslite.hover(`${seed}, epoch ${epoch}`, `${kaslite.label(name)} ${kaslite.signed(value)}`),
    ),
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
    height: Math.max(lines.length, 2) * rowHeight + 48, barmode: "overlay", bargap: 0, showlegend: false,
    margin: kaslite.epochMargin(),
    xaxis: kaslite.axis({ title: { text: "epoch" }, range: kaslite.epochRange(story) }),
    yaxis: kaslite.axis({ range, fixedrange: true, tickvals: places, ticktext: names, automargin: true, showgrid: false }),
    yaxis2: kaslite.axis({
      range, fixedrange: true, overlaying: "y", side: "right", tickvals: places, showgrid: false, ticklen: 0,
      ticktext: contributions.map((told) => (told ? kaslite.signed(told.value) : "")),
    }),
  };
};
