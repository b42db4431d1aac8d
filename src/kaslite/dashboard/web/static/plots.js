/* What all plots share: colours of the page, sizes of a phone, and axes that zoom together.

   Not for: what is drawn. Texts that a caller passes on have to come through `forPlot` or `hover`. */
"use strict";

/* Plotly's script is the last and by far the largest, so that what is to be drawn is asked for meanwhile. */
kaslite.loaded = new Promise((resolve) => window.addEventListener("load", resolve));

/* Until what was drawn so far is on the screen; in a hidden tab that is when it is seen again. */
kaslite.painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

kaslite.isNarrow = () => window.innerWidth < 640;

kaslite.css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

kaslite.axis = (changes = {}) => ({
  gridcolor: kaslite.css("--line"), linecolor: kaslite.css("--line"), zeroline: false, fixedrange: kaslite.isNarrow(), ...changes,
});

/* Draw, or draw anew: zoom and what is hidden stay as the reader has set them. */
kaslite.plot = (element, traces, layout) => {
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", uirevision: "same", hovermode: "closest", showlegend: true,
    font: { family: "system-ui, sans-serif", size: 12, color: kaslite.css("--text") },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 12 } },
    hoverlabel: {
      align: "left", bgcolor: kaslite.css("--paper"), bordercolor: kaslite.css("--muted"),
      font: { family: "system-ui, sans-serif", size: 12, color: kaslite.css("--text") },
    },
    margin: { l: 56, r: 12, t: 36, b: 36 },
  };
  const removed = ["select2d", "lasso2d", "autoScale2d"];
  const options = { responsive: true, displaylogo: false, typesetMath: false, modeBarButtonsToRemove: removed };
  return Plotly.react(element, traces, { ...base, ...layout }, options);
};

/* Margins of plots over epochs that stand one below the other. */
kaslite.epochMargin = (changes) => ({ l: kaslite.isNarrow() ? 76 : 84, r: 64, t: 8, b: 40, ...changes });

/* Let two plots show the same epochs, whichever of them is zoomed. */
kaslite.zoomTogether = (...elements) => {
  let isPassingOn = false;
  for (const element of elements.filter((one) => one.on && !one.dataset.zooms)) {
    element.dataset.zooms = "together";
    element.on("plotly_relayout", async (change) => {
      const changes = Object.fromEntries(Object.entries(change).filter(([name]) => name.startsWith("xaxis.")));
      if (isPassingOn || !Object.keys(changes).length) return;
      isPassingOn = true;
      const others = elements.filter((other) => other !== element && other.layout);
      await Promise.all(others.map((other) => Plotly.relayout(other, changes)));
      isPassingOn = false;
    });
  }
};
