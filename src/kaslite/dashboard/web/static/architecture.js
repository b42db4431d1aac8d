/* The growing architecture: the host's parts as boxes in boxes, in their order, and the seeds on the layers where they sit.

   Drawn are the branches that lead to seeds; the rest of a host, however deep, is summed up. */
"use strict";

kaslite.MOST_ROOMY = 16; // layers with seeds; more of them say only what their seeds are
kaslite.MOST_BOXES = 40; // from there on what holds only dormant seeds is folded away

/* Side of a square, or diameter of a circle; where there are many layers all of them are drawn smaller. */
kaslite.size = (params) => `calc(var(--scale) * ${8 + 8 * Math.log10(Math.max(params ?? 0, 1))}px)`;

/* Return the root of the tree: {name, kind, params, parts, seeds}; layers that the log does not name are parts of the root. */
kaslite.tree = ({ submodules, seeds }) => {
  const root = { name: "", kind: "host", params: null, parts: [], seeds: [] };
  const known = new Map([["", root]]);
  const add = (name, kind, params) => {
    const part = { name, kind, params, parts: [], seeds: [] };
    let above = name;
    do above = above.slice(0, Math.max(0, above.lastIndexOf("."))); while (!known.has(above));
    known.get(above).parts.push(part);
    known.set(name, part);
    return part;
  };
  for (const { name, kind, params } of submodules) add(name, kind, params);
  for (const seed of seeds) (known.get(seed.layer) ?? add(seed.layer, "", null)).seeds.push(seed);
  return root;
};

kaslite.all = (part) => [part, ...part.parts.flatMap(kaslite.all)];

kaslite.seedsIn = (part) => [...part.seeds, ...part.parts.flatMap(kaslite.seedsIn)];

kaslite.drawArchitecture = (element, story) => {
  const open = new Set([...element.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  const root = kaslite.tree(story);
  root.params = story.totals.host_params ?? null;
  const boxes = kaslite.all(root).filter((part) => part.seeds.length).length;
  const draw = { open, isTight: boxes > kaslite.MOST_ROOMY, folds: boxes > kaslite.MOST_BOXES };
  element.className = draw.isTight ? "small" : "";
  element.replaceChildren(kaslite.sizeLegend(), kaslite.flow(root, draw));
};

/* The parts of one part, in their order. */
kaslite.flow = (part, draw) => {
  const flow = kaslite.make("div", { class: "flow" });
  let group = [];
  let kind = null;
  const end = () => {
    if (kind === "plain" && group.length) flow.append(kaslite.summary(group));
    else if (kind === "dormant" && (group.length > 2 || group.some((one) => !one.seeds.length))) flow.append(kaslite.folded(group, draw));
    else flow.append(...group.map((one) => kaslite.box(one, draw)));
    group = [];
  };
  for (const one of part.parts) {
    const next = kaslite.grouping(one, draw);
    if (next !== kind) end();
    kind = next;
    group.push(one);
  }
  end();
  return flow;
};

/* With which neighbours a part is drawn as one: those without seeds, and those whose seeds sleep where there are many. */
kaslite.grouping = (part, draw) => {
  const seeds = kaslite.seedsIn(part);
  if (!seeds.length) return "plain";
  return draw.folds && seeds.every((seed) => seed.state === "dormant") ? "dormant" : "box";
};

kaslite.box = (part, draw) => {
  const isLayer = part.seeds.length > 0;
  const isTight = isLayer && draw.isTight;
  const short = part.name.slice(part.name.lastIndexOf(".") + 1);
  const title = kaslite.make(
    "div", { class: "box-title", title: `${part.name}: ${kaslite.about(part)}` },
    part.params === null || isTight ? null : kaslite.square(part.params),
    kaslite.make("b", {}, isLayer && !isTight ? part.name : short), isTight ? null : kaslite.muted(kaslite.about(part)),
  );
  const seeds = isLayer ? kaslite.make("div", { class: "seeds" }, kaslite.seedsOf(part)) : null;
  const shows = part.parts.length && !(isTight && part.parts.every((one) => !kaslite.seedsIn(one).length));
  const inner = shows ? kaslite.flow(part, draw) : null;
  return kaslite.make("div", { class: `box${isLayer ? " layer" : ""}${isTight ? " tight" : ""}` }, title, inner, seeds);
};

kaslite.about = ({ kind, params }) => {
  const size = params === null ? null : `${kaslite.grouped(params)} parameters`;
  return [kind, size].filter(Boolean).join(" · ");
};

/* Parts without seeds, as one: few by their kinds, many by their number. */
kaslite.summary = (parts) => {
  const inside = parts.flatMap(kaslite.all);
  const params = parts.reduce((sum, part) => sum + (part.params ?? 0), 0);
  const shown = parts.map(kaslite.shortly);
  const kinds = shown.length <= 3 ? shown.join(" → ") : `${shown[0]} → … → ${shown.at(-1)}`;
  const count = inside.length > 3 ? `${inside.length} parts, ` : "";
  const names = inside.slice(0, 40).map((part) => `${part.name}: ${kaslite.about(part)}`).join("\n");
  return kaslite.make(
    "div", { class: "chip", title: names + (inside.length > 40 ? "\n…" : "") },
    kaslite.square(params), kaslite.make("span", {}, kinds), kaslite.muted(`${count}${kaslite.grouped(params)}`),
  );
};

/* A part by its name and its class; numbers say nothing. */
kaslite.shortly = ({ name, kind }) => {
  const short = name.slice(name.lastIndexOf(".") + 1);
  return /^\d+$/.test(short) && kind ? kind : kind ? `${short}: ${kind}` : short;
};

kaslite.folded = (parts, draw) => {
  const key = parts[0].name;
  const seeds = parts.flatMap(kaslite.seedsIn).length;
  const names = parts.length > 1 ? `${key} … ${parts.at(-1).name}: ${parts.length} parts with ` : `${key}: `;
  const heading = `${names}${seeds} dormant ${seeds > 1 ? "seeds" : "seed"}`;
  const details = kaslite.make("details", { class: "chip", "data-key": key }, kaslite.make("summary", {}, heading));
  const fill = () => {
    if (details.children.length > 1) return;
    details.append(kaslite.make("div", { class: "flow" }, parts.map((part) => kaslite.box(part, draw))));
  };
  details.addEventListener("toggle", fill);
  if (draw.open.has(key)) {
    details.open = true;
    fill();
  }
  return details;
};

kaslite.seedsOf = ({ seeds }) => {
  const dormant = seeds.filter((seed) => seed.state === "dormant");
  const live = seeds.filter((seed) => seed.state !== "dormant").map(kaslite.seedDrawing);
  if (!dormant.length) return live;
  const dots = dormant.map((seed) => kaslite.make("span", { class: "sleeping", title: `${seed.seed}: dormant` }));
  return [...live, kaslite.make("div", { class: "seed muted" }, dots, `${dormant.length} dormant`)];
};

/* A circle in the colour of the state, filled as far as alpha has come. */
kaslite.seedDrawing = (seed) => {
  const circle = kaslite.make("span", { class: "circle" });
  const [size, colour, fill] = [kaslite.size(seed.params), kaslite.colour(seed.state), 100 * (seed.alpha ?? 0)];
  Object.assign(circle.style, {
    width: size, height: size, borderColor: colour,
    background: `linear-gradient(to top, ${colour} ${fill}%, color-mix(in srgb, ${colour} 22%, transparent) ${fill}%)`,
  });
  const alpha = seed.alpha === null || seed.blueprint === null ? "" : ` · α ${kaslite.number(seed.alpha, 2)}`;
  const lines = kaslite.make(
    "span", { class: "seed-text" },
    kaslite.make("b", {}, `:${seed.index} ${seed.blueprint ?? ""}`),
    kaslite.make("span", {}, seed.state, kaslite.make("span", { class: "alpha" }, alpha)),
    seed.params ? kaslite.make("span", { class: "muted params" }, `${kaslite.grouped(seed.params)} parameters`) : null,
  );
  const about = { title: `${seed.seed}: ${seed.state}`, "data-seed": seed.seed, "data-state": seed.state };
  return kaslite.make("div", { class: "seed", ...about }, circle, lines);
};

kaslite.square = (params) => {
  const square = kaslite.make("span", { class: "square" });
  square.style.width = square.style.height = kaslite.size(params);
  return square;
};

kaslite.sizeLegend = () => {
  const sample = (params) => kaslite.make("span", { class: "state" }, kaslite.square(params), kaslite.grouped(params));
  const rule =
    "Squares: parts of the host. Circles: seeds, filled as far as alpha has come. As wide as the logarithm of their parameters:";
  return kaslite.make("p", { class: "legend sizes muted" }, rule, [100, 10_000, 1_000_000].map(sample));
};
