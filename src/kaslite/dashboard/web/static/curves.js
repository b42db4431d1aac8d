/* The curves of a run over its epochs, and below them, on the same axis, what happened when. */
"use strict";

/* Kinds of marks from top to bottom: symbol and colour; those of a state have its colour. */
kaslite.MARKS = {
  phase: ["line-ns-open", "--text"],
  germinated: ["triangle-up", "germinated"],
  blending: ["circle", "blending"],
  blended: ["diamond", "shadowing"],
  fossilized: ["square", "fossilized"],
  culled: ["x", "culled"],
  drift: ["triangle-down", "probationary"],
  rolled_back: ["triangle-left", "--text"],
  resumed: ["triangle-right", "--text"],
  stopped: ["octagon", "--text"],
};

kaslite.CURVES = [
  { name: "val_accuracy", title: "val accuracy", colour: "#0072b2", row: "accuracy" },
  { name: "best_accuracy", title: "best accuracy", colour: "#8a939d", row: "accuracy", dash: "dot" },
  { name: "train_loss", title: "train loss", colour: "#e69f00", row: "loss" },
  { name: "val_loss", title: "val loss", colour: "#d55e00", row: "loss" },
];

kaslite.isMeasured = (values) => values?.some((value) => value !== null) ?? false;

kaslite.drawCurves = (element, story) => {
  const curves = kaslite.CURVES.filter(({ name }) => kaslite.isMeasured(story.curves[name]));
  const kinds = Object.keys(kaslite.MARKS).filter((kind) => story.marks.some((mark) => mark.kind === kind));
  const rows = ["accuracy", "loss"].filter((row) => curves.some((curve) => curve.row === row));
  const layout = kaslite.curvesLayout(rows, kinds, story);
  const axisOf = (row) => (rows.indexOf(row) === 0 ? "y" : `y${rows.indexOf(row) + 1}`);
  const traces = [
    ...curves.map((curve) => kaslite.curveTrace(curve, story, axisOf(curve.row))),
    ...kinds.map((kind, place) => kaslite.markTrace(kind, place, story.marks, rows.length ? `y${rows.length + 1}` : "y")),
  ];
  element.dataset.marks = story.marks.length;
  return kaslite.plot(element, traces, layout);
};

kaslite.curveTrace = ({ name, title, colour, dash }, { curves }, yaxis) => ({
  type: "scatter", mode: curves.epoch.length > 1 ? "lines" : "markers", name: title, yaxis,
  x: curves.epoch, y: curves[name], line: { color: colour, width: 2, dash }, marker: { color: colour },
  hovertemplate: `epoch %{x}<br>${title} %{y:.4f}<extra></extra>`,
});

kaslite.markTrace = (kind, place, marks, yaxis) => {
  const [symbol, colour] = kaslite.MARKS[kind];
  const mine = marks.filter((mark) => mark.kind === kind);
  return {
    type: "scatter", mode: "markers", name: kind, yaxis, showlegend: false, hoverinfo: "text",
    x: mine.map((mark) => mark.epoch), y: mine.map(() => place),
    hovertext: mine.map((mark) => kaslite.hover(`epoch ${mark.epoch}`, mark.text)),
    marker: {
      symbol, size: 10, color: colour.startsWith("--") ? kaslite.css(colour) : kaslite.colour(colour),
      line: { width: 1, color: kaslite.css("--text") },
    },
  };
};

/* Rows one above the other; that of the marks is as high as there are kinds. */
kaslite.curvesLayout = (rows, kinds, story) => {
  const [rowHeight, markHeight, gap, margins] = [kaslite.isNarrow() ? 190 : 210, 20, 22, 84];
  const marksHeight = kinds.length ? (kinds.length + 1) * markHeight : 0;
  const inner = rows.length * (rowHeight + gap) + marksHeight || rowHeight;
  const layout = {
    height: inner + margins, margin: kaslite.epochMargin({ t: 44 }),
    xaxis: kaslite.axis({
      title: { text: "epoch" }, range: kaslite.epochRange(story), anchor: "free", position: 0,
      showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "dot", spikecolor: kaslite.css("--muted"),
    }),
    shapes: story.marks.filter((mark) => mark.kind === "phase" && mark.epoch > 0).map(({ epoch }) => ({
      type: "line", xref: "x", yref: "paper", x0: epoch, x1: epoch, y0: 0, y1: 1,
      line: { color: kaslite.css("--muted"), width: 1, dash: "dash" },
    })),
  };
  rows.forEach((row, place) => {
    const top = inner - place * (rowHeight + gap);
    const domain = [(top - rowHeight) / inner, top / inner];
    layout[place ? `yaxis${place + 1}` : "yaxis"] = kaslite.axis({ title: { text: row }, domain });
  });
  if (kinds.length) {
    layout[rows.length ? `yaxis${rows.length + 1}` : "yaxis"] = kaslite.axis({
      domain: [0, marksHeight / inner], range: [kinds.length - 0.4, -0.6], fixedrange: true, ticklen: 0,
      tickvals: kinds.map((_, place) => place), ticktext: kinds.map((kind) => kind.replace("_", " ")),
    });
  }
  return layout;
};

kaslite.epochRange = ({ run, curves }) => {
  const last = Math.max(run.epoch ?? 0, curves.epoch.at(-1) ?? 0, 1);
  return [-0.01 * last, 1.01 * last];
};
