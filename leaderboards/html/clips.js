"use strict";
/* The list of clips: filtered, worst first in a column for a system, or furthest behind another system. */
const STEP = 20;

for (const node of document.querySelectorAll("[data-clips]")) lazily(node, (root) => clipList(root, DATA[root.dataset.clips]));

function clipList(root, sheet) {
  if (!sheet.columns.length || !sheet.systems.length) return root.append(el("p", { class: "quiet" }, "No values to list."));
  const state = { column: sheet.first, system: 0, against: -1, best: false, search: "", many: STEP };
  const table = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Clips" });
  const count = el("span", { class: "right", role: "status" });
  const more = el("button", { type: "button", class: "button more", onclick: () => { state.many += 5 * STEP; draw(); } });
  const change = (key) => (value) => { state[key] = value; state.many = STEP; draw(); };
  const systems = sheet.systems.map((label, i) => [i, label]);
  const find = el("input", {
    type: "search", class: "filter", placeholder: `words, speaker=…, ${sheet.columns[sheet.first].name}>…, -word`, "aria-label": "Filter clips",
    "data-tip": `Words to find, and conditions such as ${sheet.columns[sheet.first].name}>1, "${sheet.systems[0]}:${sheet.columns[sheet.first].name}<=1", speaker=NAME or no=dub; a minus sign turns one round.`,
  });
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
    const [keep, wrong] = filter(sheet, state);
    const order = arrange(sheet, state, keep);
    count.textContent = wrong || `${order.length} of ${sheet.ids.length} clips`;
    count.classList.toggle("wrong", Boolean(wrong));
    table.replaceChildren(clipTable(sheet, state, order.slice(0, state.many), players, root.dataset.clips));
    more.hidden = order.length <= state.many;
    more.textContent = `Show ${Math.min(5 * STEP, order.length - state.many)} more`;
  }
  draw();
}

const COMPARE = {
  "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

/** What the search asks for: [whether the clip of an index is wanted, what cannot be understood]. */
function filter(sheet, state) {
  const tests = [];
  let wrong = "";
  for (const quoted of state.search.match(/-?"[^"]*"|\S+/g) || []) {
    const turned = quoted.startsWith("-") && quoted.length > 1;
    const term = (turned ? quoted.slice(1) : quoted).replace(/^"|"$/g, "");
    const [test, problem] = condition(sheet, state, term);
    wrong = wrong || problem;
    if (test) tests.push(turned ? (i) => !test(i) : test);
  }
  return [(i) => tests.every((test) => test(i)), wrong];
}

/** One term in lower case: a word, or `[system:]column<number`, `speaker=…`, `clip=…`, `no=dub`. */
function condition(sheet, state, term) {
  const found = /^(?:(.+):)?([^<>=!:]+)(<=|>=|!=|<|>|=)(.*)$/.exec(term);
  if (!found) return [(i) => `${sheet.ids[i]} ${sheet.speakers[i]} ${sheet.texts[i]}`.toLowerCase().includes(term), ""];
  const [, label, name, sign, wanted] = found;
  const texts = { speaker: sheet.speakers, clip: sheet.ids, reference: sheet.references }[name];
  if (texts && (sign === "=" || sign === "!=")) return [(i) => COMPARE[sign](texts[i].toLowerCase(), wanted), ""];
  const system = label === undefined ? state.system : sheet.systems.findIndex((other) => other.toLowerCase() === label);
  if (system < 0) return [null, `no system “${label}”`];
  if (name === "no" && wanted === "dub") return [(i) => (sheet.failed[i] || []).includes(system), ""];
  const column = sheet.columns.findIndex((other) => other.name.toLowerCase() === name);
  if (column < 0) return [null, `no column “${name}”`];
  if (wanted === "" || !Number.isFinite(Number(wanted))) return [null, `“${term}” lacks a number`];
  const [own, most] = [sheet.values[column][system], Math.round(Number(wanted) * 10 ** sheet.columns[column].digits * 1e6) / 1e6];
  return [(i) => own[i] !== null && COMPARE[sign](own[i], most), ""];
}

/** Indices of the clips that match, in the order wanted; clips without a value come last. */
function arrange(sheet, state, keep) {
  const own = sheet.values[state.column][state.system];
  const other = state.against < 0 ? null : sheet.values[state.column][state.against];
  const key = (i) => (own[i] === null || (other && other[i] === null) ? null : own[i] - (other ? other[i] : 0));
  const sign = (sheet.columns[state.column].direction === "up" ? 1 : -1) * (state.best ? -1 : 1);
  const found = [];
  for (let i = 0; i < sheet.ids.length; i++) {
    if (keep(i)) found.push(i);
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
  const pair = state.against >= 0 && state.against !== state.system ? [state.system, state.against] : null;
  const shownSystems = pair || sheet.systems.map((_, s) => s);  // two of them are looked at side by side
  const head = el("tr", {}, el("th", { scope: "col", class: "name" }, "Clip"), el("th", { scope: "col" }, "Sentence"));
  for (const s of shownSystems) head.append(el("th", { scope: "col", class: "num" }, sheet.systems[s]));
  if (pair) head.append(el("th", { scope: "col", class: "num" }, "difference"));
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
    shownSystems.forEach((s) => {
      const own = values[s];
      const share = own[i] === null || high <= low ? 0 : Math.min(1, Math.max(0, (own[i] - low) / (high - low)));
      const kind = `v${s === state.system ? " picked" : ""}${failed.has(s) ? " failed" : ""}`;
      const cell = el("td", { class: kind, "data-tip": failed.has(s) ? "no dub" : null }, shown(own[i], column));
      cell.style.setProperty("--fill", `${(share * 100).toFixed(1)}%`);
      row.append(cell);
    });
    if (pair) {
      const [x, y] = pair.map((s) => values[s][i]);
      row.append(el("td", { class: "gain" }, x === null || y === null ? "–" : (x > y ? "+" : "") + shown(x - y, column)));
    }
    body.append(row);
  }
  return el("table", { class: "clips", "aria-label": `Clips by ${column.name}` }, el("thead", {}, head), body);
}
