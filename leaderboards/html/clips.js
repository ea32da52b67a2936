"use strict";
/* The list of clips: filtered, worst first in a column for a system, or furthest behind another system. */
const STEP = 20;

for (const node of document.querySelectorAll("[data-clips]")) lazily(node, (root) => clipList(root, DATA[root.dataset.clips]));

function clipList(root, sheet) {
  if (!sheet.columns.length || !sheet.systems.length) return root.append(el("p", { class: "quiet" }, "No values to list."));
  const state = { column: sheet.first, system: 0, against: -1, best: false, search: "", many: STEP };
  const table = el("div", { class: "scroll" });
  const count = el("span", { class: "right" });
  const more = el("button", { type: "button", class: "button more", onclick: () => { state.many += 5 * STEP; draw(); } });
  const change = (key) => (value) => { state[key] = value; state.many = STEP; draw(); };
  const systems = sheet.systems.map((label, i) => [i, label]);
  const find = el("input", { type: "search", placeholder: "Clip, speaker or words", "aria-label": "Filter clips" });
  find.addEventListener("input", () => change("search")(find.value.trim().toLowerCase()));
  root.append(
    el("div", { class: "tools" },
      choice("Column", sheet.columns.map((column, i) => [i, column.name]), change("column"), state.column),
      choice("Order", [[0, "worst first"], [1, "best first"]], (value) => change("best")(value === 1), 0),
      choice("of", systems, change("system"), 0),
      choice("against", [[-1, "its own values"], ...systems], change("against"), -1),
      find, count),
    table, more);
  const players = new Map(sheet.examples.map((example, i) => [example.clip, i]));

  function draw() {
    const order = arrange(sheet, state);
    count.textContent = `${order.length} of ${sheet.ids.length} clips`;
    table.replaceChildren(clipTable(sheet, state, order.slice(0, state.many), players, root.dataset.clips));
    more.hidden = order.length <= state.many;
    more.textContent = `Show ${Math.min(5 * STEP, order.length - state.many)} more`;
  }
  draw();
}

/** Indices of the clips that match, in the order wanted; clips without a value come last. */
function arrange(sheet, state) {
  const own = sheet.values[state.column][state.system];
  const other = state.against < 0 ? null : sheet.values[state.column][state.against];
  const key = (i) => (own[i] === null || (other && other[i] === null) ? null : own[i] - (other ? other[i] : 0));
  const sign = (sheet.columns[state.column].direction === "up" ? 1 : -1) * (state.best ? -1 : 1);
  const found = [];
  for (let i = 0; i < sheet.ids.length; i++) {
    const text = `${sheet.ids[i]} ${sheet.speakers[i]} ${sheet.texts[i]}`.toLowerCase();
    if (!state.search || text.includes(state.search)) found.push(i);
  }
  return found.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return sign * (x - y) || a - b;
  });
}

function clipTable(sheet, state, rows, players, ident) {
  const column = sheet.columns[state.column];
  const values = sheet.values[state.column];
  let [low, high] = [Infinity, -Infinity];
  for (let s = 0; s < sheet.ranking || (s < values.length && !sheet.ranking); s++) {
    for (const value of values[s]) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
  }
  const head = el("tr", {}, el("th", { class: "name" }, "Clip"), el("th", {}, "Sentence"));
  for (const label of sheet.systems) head.append(el("th", { class: "num" }, label));
  const body = el("tbody");
  for (const i of rows) {
    const name = el("th", { scope: "row", class: "name id" });
    if (players.has(i)) {
      name.append(el("button", { type: "button", class: "link", onclick: () => showExample(ident, players.get(i)) }, `▸ ${sheet.ids[i]}`));
    } else name.append(sheet.ids[i]);
    name.append(el("span", { class: "who" }, [sheet.speakers[i], sheet.references[i] && `voice of ${sheet.references[i]}`].filter(Boolean).join(" · ")));
    const text = el("td", { class: "text" }, sheet.texts[i]);
    if (sheet.problems[i]) text.append(el("span", { class: "problems" }, ` ${sheet.problems[i]}`));
    const row = el("tr", {}, name, text);
    const failed = new Set(sheet.failed[i] || []);
    values.forEach((own, s) => {
      const share = own[i] === null || high <= low ? 0 : Math.min(1, Math.max(0, (own[i] - low) / (high - low)));
      const kind = `v${s === state.system ? " picked" : ""}${failed.has(s) ? " failed" : ""}`;
      const cell = el("td", { class: kind, "data-tip": failed.has(s) ? "no dub" : null }, shown(own[i], column));
      cell.style.setProperty("--fill", `${(share * 100).toFixed(1)}%`);
      row.append(cell);
    });
    body.append(row);
  }
  return el("table", { class: "clips", "aria-label": `Clips by ${column.name}` }, el("thead", {}, head), body);
}
