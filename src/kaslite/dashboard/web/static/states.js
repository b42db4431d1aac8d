/* The ten states of a seed, in the order of its life, each with the one colour that it has everywhere.

   The palette of Okabe and Ito, which colour-blind people can tell apart, and greys where no module is. */
"use strict";

kaslite.STATES = {
  __proto__: null,
  dormant: "#c3c9d1",
  germinated: "#f0e442",
  training: "#e69f00",
  blending: "#56b4e9",
  shadowing: "#0072b2",
  probationary: "#cc79a7",
  fossilized: "#009e73",
  culled: "#d55e00",
  embargoed: "#5b6068",
  resetting: "#979da6",
};

kaslite.colour = (state) => kaslite.STATES[state] ?? "#979da6";

/* A state as a coloured dot beside its name. */
kaslite.stateLabel = (state) => {
  const dot = kaslite.make("span", { class: "dot" });
  dot.style.background = kaslite.colour(state);
  return kaslite.make("span", { class: "state" }, dot, state);
};

/* All states as a line of such labels. */
kaslite.stateLegend = () => kaslite.make("p", { class: "legend" }, Object.keys(kaslite.STATES).map(kaslite.stateLabel));
