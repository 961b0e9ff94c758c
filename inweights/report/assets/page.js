"use strict";
const last = (path) => path.startsWith("/") ? path.split("/").pop() : path;

// Okabe and Ito's colours, told apart by the colour-blind; a family shares one, its updates differ by symbol.
const HUES = { "zero-shot": "#888888", icl: "#0072b2", vanilla: "#e69f00", pbft: "#d55e00", adaptive: "#8a6d3b", distill: "#009e73" };
const SPARE = ["#cc79a7", "#56b4e9", "#b8a800"];
const SYMBOLS = { "": "circle", bitfit: "diamond", lora: "square", contextual: "triangle-up", batch: "triangle-down", ensemble: "star", head: "x" };
const families = unique(data.rows.map((row) => family(row.method)));
function family(method) { return method.split(/[+ ]/)[0]; }
function variant(method) { return (method.split(/[ ]/)[0].split("+")[1]) || ""; }
function colour(method) { return HUES[family(method)] || SPARE[families.indexOf(family(method)) % SPARE.length]; }
// Settings stand in the table and under the pointer; beside a mark they would lie on others.
function brief(method) { return method.replace(/ \([^)]*\)/, " (…)"); }
function symbol(method) { return SYMBOLS[variant(method)] || "hexagon"; }

const state = { task: null, model: null, shots: null, method: "", sort: null, descending: false };

function chosen(row) {
  return row.task === state.task && row.model === state.model &&
    (!state.method || row.name.toLowerCase().includes(state.method.toLowerCase()));
}
function atShots(row) { return chosen(row) && String(row.shots) === state.shots; }

function sets(rows, domain) {
  return unique(rows.flatMap((row) => Object.keys(row.domains).filter((name) => row.domains[name] === domain)));
}
function spread(row, domain) {
  // The interval of the mean over a domain's sets; exact for one set, the mean of the bounds for several.
  const names = Object.keys(row.domains).filter((name) => row.domains[name] === domain);
  const mean = (key) => names.reduce((sum, name) => sum + (row.accuracy[name][key] ?? row.accuracy[name].mean), 0) / names.length;
  return names.length ? { mean: mean("mean"), up: mean("high") - mean("mean"), down: mean("mean") - mean("low") } : null;
}
function point(row, x, y, more) {
  return { x: [x], y: [y], name: row.name, mode: "markers+text", text: [brief(row.name)], textposition: "top center",
    textfont: { size: 10, color: css("--quiet") }, cliponaxis: false,
    marker: { color: colour(row.method), symbol: symbol(row.method), size: 10, line: { width: 1, color: css("--card") } }, ...more };
}
function accuracyAxis(rows) {
  const low = Math.min(...rows.map((row) => spread(row, "in-domain")).filter(Boolean).map((i) => i.mean - i.down));
  return { tickformat: ".0%", range: [Math.max(-0.02, low - 0.06), 1.06] };
}

function drawDomains(rows) {
  const both = rows.filter((row) => row.in_domain !== null && row.ood !== null);
  const traces = both.map((row) => {
    const inside = spread(row, "in-domain"), outside = spread(row, "out-of-domain");
    return point(row, inside.mean, outside.mean, {
      error_x: bars([inside], colour(row.method)), error_y: bars([outside], colour(row.method)),
      hovertemplate: `<b>${row.name}</b><br>in-domain %{x:.1%}<br>out-of-domain %{y:.1%}<extra></extra>` });
  });
  const base = (domain) => { const row = both[0]; const names = row ? sets([row], domain).filter((n) => n in row.majority) : []; return names.length ? names.reduce((s, n) => s + row.majority[n], 0) / names.length : null; };
  const dotted = { type: "line", line: { dash: "dot", width: 1, color: css("--quiet") } };
  const shapes = both.length ? [
    { ...dotted, x0: base("in-domain"), x1: base("in-domain"), yref: "paper", y0: 0, y1: 1 },
    { ...dotted, y0: base("out-of-domain"), y1: base("out-of-domain"), xref: "paper", x0: 0, x1: 1 },
  ] : [];
  draw("domains", traces, layout(`in-domain ${data.score}`, `out-of-domain ${data.score}`, { shapes, xaxis: { tickformat: ".0%" }, yaxis: { tickformat: ".0%" } }),
    "This task has no out-of-domain set.");
}
function drawCost(id, rows, key, title, shown) {
  const usable = rows.filter((row) => row.in_domain !== null && row[key] > 0);
  const onFront = (data.fronts[`${state.task}|${state.model}|${state.shots}`] || {})[id] || [];
  const joined = usable.filter((row) => onFront.includes(row.name)).sort((a, b) => a[key] - b[key]);
  const line = { x: joined.map((row) => shown(row[key])), y: joined.map((row) => row.in_domain), mode: "lines", line: { color: css("--quiet"), width: 1, shape: "hv" }, hoverinfo: "skip" };
  const traces = usable.map((row) => point(row, shown(row[key]), row.in_domain, {
    error_y: bars([spread(row, "in-domain")], colour(row.method)), hovertemplate: `<b>${row.name}</b><br>%{x:.3g}<br>${data.score} %{y:.1%}<extra></extra>` }));
  draw(id, traces.length ? [line, ...traces] : [], layout(title, `in-domain ${data.score}`, { xaxis: { type: "log" }, yaxis: accuracyAxis(usable) }), "Nothing was measured here.");
}
function drawCurve(rows) {
  const methods = unique(rows.map((row) => row.name));
  const several = unique(rows.map((row) => row.shots)).length > 1;
  byId("curve").closest("figure").hidden = !several;
  byId("confusion").closest("figure").classList.toggle("wide", !several); // an odd number of pictures
  if (!several) return;
  const traces = methods.map((method) => {
    const line = rows.filter((row) => row.name === method && row.in_domain !== null).sort((a, b) => a.shots - b.shots);
    return { x: line.map((row) => row.shots), y: line.map((row) => row.in_domain), name: method, mode: "lines+markers+text",
      text: line.map((_, i) => i === line.length - 1 ? brief(method) : ""), textposition: "middle right", textfont: { size: 10, color: css("--quiet") }, cliponaxis: false,
      line: { color: colour(method), width: 2, dash: variant(method) ? "dot" : "solid" }, marker: { symbol: symbol(method), size: 8 },
      error_y: bars(line.map((row) => spread(row, "in-domain")), colour(method)), hovertemplate: `<b>${method}</b><br>%{x} shots, %{y:.1%}<extra></extra>` };
  });
  const shots = unique(rows.map((row) => row.shots)).sort((a, b) => a - b);
  const right = Math.log10(shots[shots.length - 1]) + 0.28 * (Math.log10(shots[shots.length - 1] / shots[0]) || 1);
  draw("curve", traces, layout("labelled examples", `in-domain ${data.score}`, { xaxis: { type: "log", tickvals: shots, range: [Math.log10(shots[0]) - 0.05, right] }, yaxis: accuracyAxis(rows) }), "Nothing was measured here.");
}
function drawQueries(rows) {
  const queries = Array.from({ length: 61 }, (_, i) => 10 ** (i / 10));
  const traces = rows.map((row) => ({ x: queries, y: queries.map((n) => row.adapt_seconds + n * (row.seconds_per_query + row.prepare_seconds)), name: row.name, mode: "lines",
    line: { color: colour(row.method), width: 1.5, dash: variant(row.method) ? "dot" : "solid" }, hovertemplate: `<b>${row.name}</b><br>%{x:.0f} queries, %{y:.1f} s<extra></extra>` }));
  const paid = rows.filter((row) => row.break_even_queries);
  if (paid.length) traces.push({ x: paid.map((row) => row.break_even_queries), y: paid.map((row) => row.adapt_seconds + row.break_even_queries * row.seconds_per_query),
    mode: "markers+text", text: paid.map((row) => `${brief(row.name)} ${row.break_even_queries.toLocaleString("en")}`), textposition: "top left", textfont: { size: 10, color: css("--quiet") },
    marker: { size: 9, color: paid.map((row) => colour(row.method)), symbol: "circle-open", line: { width: 2 } }, customdata: paid.map((row) => row.name), hovertemplate: "%{customdata} has paid after %{x:,.0f} queries<extra></extra>" });
  draw("cost", traces, layout("queries", "seconds in all", { xaxis: { type: "log" }, yaxis: { type: "log" } }), "Nothing was measured here.");
}
function drawConfusion(rows) {
  const row = rows.find((each) => each.name === byId("confused").value) || rows[0];
  const name = row && (byId("set").value in row.confusion ? byId("set").value : Object.keys(row.confusion)[0]);
  if (!row) return draw("confusion", [], {}, "Nothing was measured here.");
  const counts = row.confusion[name];
  const shares = counts.map((line) => { const sum = line.reduce((a, b) => a + b, 0); return line.map((n) => sum ? n / sum : null); });
  const dark = document.documentElement.dataset.theme === "dark";
  draw("confusion", [{ type: "heatmap", z: shares, x: row.labels, y: row.labels, zmin: 0, zmax: 1, xgap: 2, ygap: 2,
    colorscale: dark ? [[0, "#1c2024"], [1, "#2a8fbd"]] : [[0, "#f3f6f8"], [1, "#3a9cc8"]], showscale: false,
    text: counts.map((line, i) => line.map((n, j) => shares[i][j] === null ? "" : `${(100 * shares[i][j]).toFixed(0)} %<br>${n}`)), texttemplate: "%{text}",
    hovertemplate: "true %{y}, answered %{x}: %{text}<extra></extra>" }],
    layout("answered", "true", { yaxis: { autorange: "reversed" } }), "");
}

function columns() {
  const names = unique(data.rows.filter((row) => row.task === state.task).flatMap((row) => Object.keys(row.accuracy)));
  return [
    ["task", (r) => r.task], ["model", (r) => last(r.model)], ["shots", (r) => r.shots], ["method", (r) => r.method],
    ...(data.rows.some((row) => row.task === state.task && row.name !== row.method) ? [["pattern", (r) => r.pattern_name]] : []),
    ...names.map((name) => [name, (r) => name in r.accuracy ? r.accuracy[name].mean : null, name]),
    ["seeds", (r) => r.seeds], ["adapt s", (r) => r.adapt_seconds, null, number(2)], ["ms/query", (r) => 1000 * r.seconds_per_query, null, number(2)],
    ["peak MB", (r) => r.peak_bytes / 1e6, null, number(0)], ["trained", (r) => r.trained_parameters, null, number(0)], ["did not train", (r) => r.did_not_train ? `${r.did_not_train}/${r.seeds}` : null],
    ["pays after", (r) => r.pays || null], ["tied with", (r) => r.tied],
  ];
}
function fillTable(rows) {
  const heads = columns();
  byId("table").tHead.replaceChildren(document.createElement("tr"));
  heads.forEach(([title], i) => {
    const cell = document.createElement("th");
    cell.textContent = title; cell.tabIndex = 0; cell.scope = "col";
    if (title === "tied with" || title === "pattern") cell.className = "text";
    cell.setAttribute("aria-sort", state.sort === title ? (state.descending ? "descending" : "ascending") : "none");
    const sort = () => { state.descending = state.sort === title ? !state.descending : i >= 4; state.sort = title; refresh(); };
    cell.onclick = sort; cell.onkeydown = (event) => { if (event.key === "Enter") sort(); };
    byId("table").tHead.rows[0].append(cell);
  });
  const by = heads.find(([title]) => title === state.sort);
  const sorted = by ? [...rows].sort((a, b) => {
    const [x, y] = [by[1](a), by[1](b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return (x > y ? 1 : x < y ? -1 : 0) * (state.descending ? -1 : 1);
  }) : rows;
  const base = rows.length && Object.keys(rows[0].majority).length ? [line(heads, rows[0], true)] : [];
  byId("table").tBodies[0].replaceChildren(...base, ...sorted.map((row) => line(heads, row, false)));
}
function line(heads, row, isBase) {
  const element = document.createElement("tr");
  if (isBase) element.className = "base";
  heads.forEach(([title, value, set, shown], i) => {
    const cell = element.insertCell();
    if (isBase) { cell.textContent = i === 3 ? "majority" : set ? (row.majority[set] ?? NaN).toFixed(3) : i < 2 ? value(row) : ""; return; }
    if (set) {
      const each = row.accuracy[set];
      if (!each) return;
      cell.textContent = each.mean.toFixed(3) + " ";
      const small = document.createElement("small");
      small.textContent = (each.low === null ? "" : `[${each.low.toFixed(3)}, ${each.high.toFixed(3)}]`) + (row.metric === "mcc" ? ` mcc ${row.mcc[set].toFixed(2)}` : "") +
        (row.constant_predictions[set] ? ` ⚑ ${row.constant_predictions[set]}/${row.seeds}` : "");
      cell.append(small);
      return;
    }
    if (title === "method") { const dot = document.createElement("span"); dot.className = "dot"; dot.style.background = colour(row.method); cell.append(dot); }
    if (title === "tied with" || title === "pattern") cell.className = "text";
    cell.append(shown ? shown(value(row)) : String(value(row) ?? ""));
  });
  return element;
}

function refresh() {
  const rows = data.rows.filter(atShots);
  drawDomains(rows);
  drawCost("seconds", rows, "adapt_seconds", "seconds to adapt", (v) => v);
  drawCost("memory", rows, "peak_bytes", "peak memory, MB", (v) => v / 1e6);
  drawCurve(data.rows.filter(chosen));
  drawQueries(rows);
  const keep = byId("confused").value;
  options(byId("confused"), rows.map((row) => row.name));
  if (rows.some((row) => row.name === keep)) byId("confused").value = keep;
  const set = byId("set").value;
  options(byId("set"), rows.length ? Object.keys(rows[0].accuracy) : []);
  if (rows.length && set in rows[0].accuracy) byId("set").value = set;
  drawConfusion(rows);
  fillTable(rows);
}
function start() {
  themed(refresh);
  options(byId("task"), unique(data.rows.map((row) => row.task)));
  options(byId("model"), unique(data.rows.map((row) => row.model)), last);
  const shots = unique(data.rows.map((row) => row.shots)).sort((a, b) => a - b).map(String);
  options(byId("shots"), shots);
  if (!data.rows.length) return;
  byId("shots").value = shots[shots.length - 1];
  Object.assign(state, { task: byId("task").value, model: byId("model").value, shots: byId("shots").value });
  for (const id of ["task", "model", "shots"]) byId(id).onchange = (event) => { state[id] = event.target.value; refresh(); };
  byId("method").oninput = (event) => { state.method = event.target.value; refresh(); };
  byId("confused").onchange = byId("set").onchange = () => drawConfusion(data.rows.filter(atShots));
  refresh();
  document.documentElement.dataset.ready = "yes";
}
start();
