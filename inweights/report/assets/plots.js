"use strict";
// What every page's script draws with; the page's own comes after it and uses these names.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const unique = (values) => [...new Set(values)];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(select, values, shown = (value) => value) {
  select.replaceChildren(...values.map((value) => new Option(shown(value), value)));
  select.closest("label").hidden = values.length < 2 && select.id !== "confused";
}
function bars(intervals, colours) {
  return { type: "data", symmetric: false, array: intervals.map((i) => i.up), arrayminus: intervals.map((i) => i.down), thickness: 1, width: 0, color: colours };
}
function layout(x, y, more = {}) {
  const axis = { gridcolor: css("--line"), zeroline: false, linecolor: css("--line"), automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: css("--ink"), size: 12, family: "system-ui, sans-serif" },
    margin: { l: 52, r: 12, t: 8, b: 44 }, showlegend: false, hovermode: "closest",
    hoverlabel: { bgcolor: css("--card"), font: { color: css("--ink") }, bordercolor: css("--line") },
    xaxis: { ...axis, title: { text: x }, ...(more.xaxis || {}) }, yaxis: { ...axis, title: { text: y }, ...(more.yaxis || {}) },
    shapes: more.shapes || [], annotations: more.annotations || [],
  };
}
function draw(id, traces, shape, reason) {
  const place = byId(id);
  if (!traces.length) {
    Plotly.purge(place);
    const text = document.createElement("p");
    text.textContent = reason;
    place.replaceChildren(text);
    return;
  }
  if (place.firstElementChild && place.firstElementChild.tagName === "P") place.replaceChildren();
  Plotly.react(place, traces, shape, { displayModeBar: false, responsive: true });
  if (!place.dataset.tidied) place.on("plotly_afterplot", () => declutter(place));
  place.dataset.tidied = "yes";
  declutter(place);
}
function declutter(place) {
  // Of names that would lie on one another the first stays; the pointer tells the others.
  const kept = [];
  for (const label of place.querySelectorAll(".textpoint text")) {
    const box = label.getBoundingClientRect();
    const hit = kept.some((k) => box.left < k.right && box.right > k.left && box.top < k.bottom && box.bottom > k.top);
    label.style.visibility = hit ? "hidden" : "";
    if (!hit && box.width) kept.push(box);
  }
}

const number = (digits) => (value) => value === null ? "" : value.toLocaleString("en", { maximumFractionDigits: digits });

function themed(refresh) {
  const wanted = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement.dataset;
  const follow = () => { root.theme = wanted.matches ? "dark" : "light"; };
  follow();
  wanted.onchange = () => { follow(); refresh(); };
  byId("theme").onclick = () => { root.theme = root.theme === "dark" ? "light" : "dark"; refresh(); };
}
