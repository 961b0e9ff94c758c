"use strict";
const MEASURES = {
  seconds: ["seconds per query", seconds], p95: ["seconds per query, 95th percentile", seconds], first_token: ["seconds to the first token", seconds], kv_bytes: ["KV bytes per request", bytes],
  adapt_seconds: ["seconds to learn", seconds], artifact_bytes: ["bytes of the adapter", bytes],
};
// Okabe and Ito's colours, told apart by the colour-blind; with passages in its prompt a learned context keeps its own, dashed.
const HUES = { alone: "#888888", icl: "#0072b2", "icl-cached": "#56b4e9", "icl-piece": "#8a6d3b", rag: "#cc79a7", "distilled (lora)": "#009e73",
  "distilled (kv)": "#e69f00", "distilled (merged)": "#009e73", sft: "#d55e00", "next-token": "#b8a800" };
const withRag = (name) => name.endsWith(" + rag");
const colour = (name) => HUES[name.replace(" + rag", "")] || "#888888";
const percent = (value) => `${(100 * value).toFixed(0)} %`;
function seconds(value) { return value < 1 ? `${(1000 * value).toFixed(2)} ms` : value < 120 ? `${value.toFixed(1)} s` : `${(value / 60).toFixed(1)} min`; }
function bytes(value) {
  const [unit, factor] = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]].find(([, each]) => value >= each) || ["B", 1];
  return `${factor === 1 ? value : (value / factor).toFixed(2)} ${unit}`;
}
// Plotly takes tags in names for its own.
const plain = (name) => name.replaceAll("<", "&lt;");
const NONE = "No question was asked.";

function drawRecovered() {
  const known = data.recovered.filter((each) => !each.undefined);
  const several = unique(data.recovered.map((each) => each.form)).length > 1;
  const label = (each) => `${several ? `${each.form}: ` : ""}${each.name}${each.undefined ? "<br>undefined" : ""}`;
  const trace = { x: known.map((each) => each.value), y: known.map(label), mode: "markers+text", text: known.map((each) => percent(each.value)), textposition: "top center",
    textfont: { size: 11, color: css("--ink") }, cliponaxis: false, marker: { size: 11, color: known.map((each) => colour(`distilled (${each.form})`)), symbol: known.map((each) => each.few ? "circle-open" : "circle") },
    error_x: bars(known.map((each) => ({ up: each.high - each.value, down: each.value - each.low })), css("--quiet")),
    customdata: known.map((each) => [each.few ? "too few questions for an interval" : `95 % ${percent(each.low)} to ${percent(each.high)}`, each.questions]),
    hovertemplate: "<b>%{y}</b><br>%{x:.1%}, %{customdata[0]}<br>%{customdata[1]} questions<extra></extra>" };
  const dotted = { type: "line", yref: "paper", y0: 0, y1: 1, line: { dash: "dot", width: 1, color: css("--quiet") } };
  const low = Math.min(0, ...known.map((each) => each.low)), high = Math.max(1, ...known.map((each) => each.high));
  draw("recovered", known.length ? [trace] : [], layout("share recovered", "", { shapes: [{ ...dotted, x0: 0, x1: 0 }, { ...dotted, x0: 1, x1: 1 }],
    xaxis: { tickformat: ".0%", range: [low - 0.06, high + 0.06] },
    yaxis: { type: "category", categoryorder: "array", categoryarray: data.recovered.map(label).reverse(), range: [-0.6, data.recovered.length - 0.3] } }),
    "All shares are undefined: see below why.");
}
function drawCost() {
  const [title, shown] = MEASURES[byId("measure").value], key = byId("measure").value;
  const rows = [...data.systems].reverse(), most = Math.max(...rows.map((row) => row[key]));
  draw("cost", rows.length ? [{ type: "bar", orientation: "h", x: rows.map((row) => row[key]), y: rows.map((row) => row.name), text: rows.map((row) => shown(row[key])),
    textposition: "outside", cliponaxis: false, textfont: { size: 11 }, marker: { color: rows.map((row) => colour(row.name)), opacity: rows.map((row) => withRag(row.name) ? 0.6 : 1) },
    hovertemplate: "<b>%{y}</b><br>%{text}<extra></extra>" }] : [], layout(title, "", { xaxis: { range: [0, 1.35 * most || 1], nticks: 5 } }), NONE);
}
function drawShares(id, columns, of, reason) {
  // A table in colours: lines of ten systems that are mostly right would lie on one another.
  const dark = document.documentElement.dataset.theme === "dark";
  const shares = data.systems.map((row) => columns.map((_, i) => of(row)[i] ?? null));
  draw(id, data.systems.length && columns.length ? [{ type: "heatmap", z: shares, x: columns, y: data.systems.map((row) => row.name), zmin: 0, zmax: 1, xgap: 2, ygap: 2, showscale: false,
    colorscale: dark ? [[0, "#1c2024"], [1, "#1f7199"]] : [[0, "#f3f6f8"], [1, "#6db7dc"]], hoverongaps: false,
    text: shares.map((line) => line.map((each) => each === null ? "" : (100 * each).toFixed(0))), texttemplate: "%{text}", textfont: { size: 11, color: css("--ink") },
    hovertemplate: "<b>%{y}</b>, %{x}: %{z:.1%}<extra></extra>" }] : [],
    layout("", "", { xaxis: { type: "category", side: "top", showgrid: false }, yaxis: { type: "category", autorange: "reversed", showgrid: false } }), data.systems.length ? reason : NONE);
}
function drawQueries() {
  const first = Math.max(0, Math.floor(Math.min(3, ...data.crossings.map((each) => Math.log10(each.queries || 1)))) - 2);
  const last = Math.max(4, ...data.crossings.map((each) => 1 + Math.log10(each.queries || 1)));
  const counts = Array.from({ length: 81 }, (_, i) => 10 ** (first + (last - first) * i / 80));
  const spent = (row, n) => row.adapt_seconds + n * row.seconds;
  const traces = data.systems.map((row) => ({ x: counts, y: counts.map((n) => spent(row, n)), name: row.name, mode: "lines",
    line: { color: colour(row.name), width: 2, dash: withRag(row.name) ? "dot" : "solid" }, hovertemplate: `<b>${row.name}</b><br>%{x:,.0f} queries, %{y:.3~s} s<extra></extra>` }));
  const rows = Object.fromEntries(data.systems.map((row) => [row.name, row])), several = unique(data.recovered.map((each) => each.form)).length > 1;
  const met = data.crossings.filter((each) => each.queries > 0);
  if (met.length) traces.push({ x: met.map((each) => each.queries), y: met.map((each) => spent(rows[each.system], each.queries)), mode: "markers+text", cliponaxis: false,
    text: met.map((each) => `${several ? `${each.form} vs ` : ""}${each.rival}: ${each.queries.toLocaleString("en")}`), textposition: met.map((_, i) => i % 2 && innerWidth > 760 ? "bottom right" : "top left"),
    textfont: { size: 11, color: css("--ink") }, marker: { size: 10, color: met.map((each) => colour(each.rival)), symbol: "circle-open", line: { width: 2.5 } }, hovertemplate: "%{text} queries<extra></extra>" });
  draw("queries", traces, layout("queries", "seconds in all", { xaxis: { type: "log", dtick: 1 }, yaxis: { type: "log", dtick: 1 } }), NONE);
}
function fillKey() {
  // Not the picture's own legend: on a phone it would take the picture's place.
  byId("key").replaceChildren(...data.systems.map((row) => {
    const item = document.createElement("span"), dot = document.createElement("span");
    dot.className = "dot";
    dot.dataset.system = row.name;
    item.append(dot, withRag(row.name) ? `${row.name} (dotted)` : row.name);
    return item;
  }));
}
function refresh() {
  drawRecovered();
  drawCost();
  const kinds = unique(data.systems.flatMap((row) => Object.keys(row.by_kind)));
  drawShares("kinds", kinds.length ? ["all", ...kinds.map(plain)] : [], (row) => [row.accuracy, ...kinds.map((kind) => row.by_kind[kind])], "The questions are of no kind.");
  const parts = data.systems.length ? data.systems[0].by_place.length : 0;
  const places = Array.from({ length: parts }, (_, i) => `${Math.round(100 * i / parts)}–${Math.round(100 * (i + 1) / parts)} %`);
  drawShares("places", places, (row) => row.by_place, NONE);
  drawQueries();
}
fillKey();
for (const dot of document.querySelectorAll("[data-system]")) dot.style.background = colour(dot.dataset.system);
options(byId("measure"), Object.keys(MEASURES), (key) => MEASURES[key][0]);
byId("measure").onchange = drawCost;
themed(refresh);
refresh();
document.documentElement.dataset.ready = "yes";
