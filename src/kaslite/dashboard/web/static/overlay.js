/* Several runs at once: their curves one over the other, and the settings in which they differ. */
"use strict";

kaslite.LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b6068", "#b8a800"];
kaslite.DASHES = [["solid", "solid"], ["dash", "dashed"], ["dot", "dotted"]]; // of plotly, and of CSS
kaslite.MOST_DRAWN = kaslite.LINES.length * kaslite.DASHES.length;

kaslite.lineOf = (place) => {
  const [dash, style] = kaslite.DASHES[Math.floor(place / kaslite.LINES.length) % kaslite.DASHES.length];
  return { color: kaslite.LINES[place % kaslite.LINES.length], dash, style };
};

/* Whose line is which. */
kaslite.lineLegend = (names) => {
  const labels = names.map((name, place) => {
    const sample = kaslite.make("span", { class: "line" });
    const { color, style } = kaslite.lineOf(place);
    sample.style.borderTop = `3px ${style} ${color}`;
    return kaslite.make("span", { class: "state" }, sample, name);
  });
  return kaslite.make("p", { class: "legend lines" }, labels);
};

/* Draw validation accuracy and loss of runs, each a story with its id. */
kaslite.drawOverlay = (element, runs) => {
  const plot = kaslite.make("div", { class: "plot" });
  element.replaceChildren(kaslite.lineLegend(runs.map(({ story }) => story.run.name)), plot);
  const panels = [["val_accuracy", "val accuracy"], ["val_loss", "val loss"]].filter(([name]) =>
    runs.some(({ story }) => kaslite.isMeasured(story.curves[name])),
  );
  const traces = panels.flatMap(([name, title], panel) =>
    runs.map(({ story }, place) => kaslite.overlayTrace(story, name, title, panel, place)),
  );
  const height = 280;
  const layout = {
    height: panels.length * height + 60, showlegend: false, margin: { l: 64, r: 12, t: 8, b: 44 },
    xaxis: kaslite.axis({ title: { text: "epoch" }, anchor: "free", position: 0 }),
  };
  panels.forEach(([, title], panel) => {
    const top = 1 - panel / panels.length;
    const domain = [top - 0.9 / panels.length, top];
    layout[panel ? `yaxis${panel + 1}` : "yaxis"] = kaslite.axis({ title: { text: title }, domain });
  });
  return kaslite.plot(plot, traces, layout);
};

kaslite.overlayTrace = (story, name, title, panel, place) => ({
  type: "scatter", mode: story.curves.epoch.length > 1 ? "lines" : "markers", yaxis: panel ? `y${panel + 1}` : "y",
  name: kaslite.forPlot(story.run.name),
  x: story.curves.epoch, y: story.curves[name], hoverinfo: "text",
  hovertext: story.curves.epoch.map((epoch, at) =>
    kaslite.hover(story.run.name, `epoch ${epoch}: ${title} ${kaslite.number(story.curves[name][at])}`),
  ),
  line: { color: kaslite.lineOf(place).color, dash: kaslite.lineOf(place).dash, width: 2 },
});

/* Names of the settings that are not the same in all configs. */
kaslite.differences = (configs) => {
  const names = [...new Set(configs.flatMap((config) => Object.keys(config ?? {})))];
  return names.filter((name) => new Set(configs.map((config) => JSON.stringify(kaslite.of(config, name)))).size > 1);
};
