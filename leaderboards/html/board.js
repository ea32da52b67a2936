"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);

/** An element with attributes, classes and children; texts are never markup. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An integer in units of the last digit as text; a dash where there is no value. */
function shown(value, column) {
  return value === null ? "–" : (value / 10 ** column.digits).toFixed(column.digits);
}

function choice(label, options, onchange, selected) {
  const select = el("select", { onchange: (event) => onchange(Number(event.target.value)) });
  for (const [value, text] of options) select.append(el("option", { value, selected: value === selected }, text));
  return el("label", {}, label, select);
}

/* Tabs: a table at a time; an address with #t2 or #t2-clips opens that one. */
function openTab(ident) {
  if (!document.getElementById(ident)) return;
  for (const sheet of document.querySelectorAll(".sheet")) sheet.hidden = sheet.id !== ident;
  for (const tab of document.querySelectorAll("[data-tab]")) {
    tab.setAttribute("aria-selected", tab.dataset.tab === ident);
    tab.tabIndex = tab.dataset.tab === ident ? 0 : -1;
  }
  document.dispatchEvent(new CustomEvent("tab", { detail: ident }));
}
for (const tab of document.querySelectorAll("[data-tab]")) {
  tab.addEventListener("click", () => openTab(tab.dataset.tab));
  tab.addEventListener("keydown", (event) => {
    const all = [...tab.parentNode.children];
    const to = { ArrowRight: all.indexOf(tab) + 1, ArrowLeft: all.indexOf(tab) - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    const next = all[(to + all.length) % all.length];
    openTab(next.dataset.tab);
    next.focus();
    event.preventDefault();
  });
}
if (/^#t\d+/.test(location.hash)) openTab(location.hash.slice(1).split("-")[0]);

/* Sorting: values best first, then reversed; rows without a value stay behind. */
for (const table of document.querySelectorAll("table.board")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => head.querySelector(".sort").addEventListener("click", () => {
    const button = head.querySelector(".sort");
    const first = button.dataset.direction === "up" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? (first === "ascending" ? "descending" : "ascending") : first;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.cells[index].dataset.sort;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      if (index === 0) return sign * a.cells[0].textContent.trim().localeCompare(b.cells[0].textContent.trim());
      if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
      return sign * (Number(key(a)) - Number(key(b)));
    });
    table.tBodies[0].append(...rows);
  }));
}
for (const box of document.querySelectorAll("[data-extra]")) {
  box.addEventListener("change", () => {
    for (const table of box.closest(".sheet").querySelectorAll("table.board")) table.classList.toggle("all", box.checked);
  });
}

/** One stop for the tab key in a table; arrow keys go on from there to every cell that has more to say. */
function walkable(table) {
  const cells = () => [...table.querySelectorAll("td[data-tip]")].filter((cell) => cell.offsetParent);
  const first = table.querySelector("td[data-tip]");
  if (first) first.tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-tip]");
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] || [0, 0];
    if (!cell || (!down && !right)) return;
    event.preventDefault();
    const sign = down + right;
    const ahead = cells().filter((other) => (right ? other.parentNode === cell.parentNode && sign * (other.cellIndex - cell.cellIndex) > 0
      : other.cellIndex === cell.cellIndex && sign * (other.parentNode.rowIndex - cell.parentNode.rowIndex) > 0));
    const next = sign > 0 ? ahead[0] : ahead[ahead.length - 1];
    if (!next) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return table;
}
for (const table of document.querySelectorAll("[data-grid]")) walkable(table);

/* One tooltip for all; it follows hover and keyboard focus. */
const tip = document.getElementById("tip");
let told = null;
function hideTip() {
  tip.hidden = true;
  if (told) told.removeAttribute("aria-describedby");
  told = null;
}
function showTip(target) {
  hideTip();
  told = target;
  target.setAttribute("aria-describedby", "tip");
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const box = target.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 8 + tip.offsetHeight < innerHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? box.bottom + 8 : Math.max(8, box.top - tip.offsetHeight - 8)}px`;
}
for (const [enter, leave] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
  document.addEventListener(enter, (event) => {
    const target = event.target.closest("[data-tip]");
    if (target && target.dataset.tip) showTip(target);
  });
  document.addEventListener(leave, hideTip);
}
addEventListener("scroll", hideTip, { passive: true, capture: true });
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

/** Build a part of a sheet when it first comes near the window. */
function lazily(node, build) {
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    if (node.dataset.made) return;
    node.replaceChildren();
    build(node);
  }, { rootMargin: "600px" });
  watch.observe(node);
}

/* Paired differences: a grid for one column at a time. */
for (const node of document.querySelectorAll("[data-pairs]")) {
  lazily(node, (root) => {
    const sheet = DATA[root.dataset.pairs];
    if (!sheet.columns.length || !sheet.systems.length) return root.append(el("p", { class: "quiet" }, "Nothing to compare."));
    const place = el("div", { class: "scroll" });
    const draw = (at) => place.replaceChildren(walkable(pairGrid(sheet, at)));
    const options = sheet.columns.map((column, i) => [i, column.name]);
    const legend = "Green: the row is better, red: worse, both after Holm's correction over the pairs of this column.";
    root.append(el("div", { class: "tools" }, choice("Column", options, draw, sheet.first), el("span", {}, legend)), place);
    draw(sheet.first);
  });
}

function pairGrid(sheet, at) {
  const column = sheet.columns[at];
  const found = new Map();
  const turned = { a: "b", b: "a" };
  const minus = (x) => (x === null ? null : -x);
  for (const [a, b, value, low, high, n, verdict, p, holm, family, effect, wins] of sheet.paired[at]) {
    found.set(`${a},${b}`, { value, low, high, n, verdict, p, holm, family, effect, wins });
    found.set(`${b},${a}`, {
      value: minus(value), low: minus(high), high: minus(low), n, verdict: turned[verdict] || verdict, p, holm, family,
      effect: minus(effect), wins: wins === null ? null : 1 - wins,
    });
  }
  const head = el("tr", {}, el("td", { class: "name" }));
  for (const label of sheet.systems) head.append(el("th", { scope: "col", class: "num" }, label));
  const body = el("tbody");
  for (let a = 0; a < sheet.systems.length; a++) {
    const row = el("tr", {}, el("th", { scope: "row", class: "name" }, sheet.systems[a]));
    for (let b = 0; b < sheet.systems.length; b++) row.append(pairCell(sheet, column, a, b, found.get(`${a},${b}`)));
    body.append(row);
  }
  return el("table", { "aria-label": `Differences in ${column.name}` }, el("thead", {}, head), body);
}

const VERDICT = {
  a: "the row is better", b: "the column is better", differ: "they differ", "not apart": "not told apart", equal: "equal: a tie",
  "cannot be decided": "cannot be decided: no p of so few units reaches Holm's threshold", "not tested": "not tested",
};

function pairCell(sheet, column, a, b, entry) {
  if (a === b) return el("td", { class: "self" });
  if (!entry || entry.value === null) return el("td", {}, "");
  const { value, low, high, n, verdict, p, holm, family, effect, wins } = entry;
  const kind = { a: "good", b: "bad" }[verdict] || "even";
  const show = (x) => (x > 0 ? "+" : "") + x.toFixed(column.digits);
  const between = low === null ? "no interval" : `95 % interval ${show(low)} to ${show(high)}`;
  const text = `${sheet.systems[a]} − ${sheet.systems[b]}: ${show(value)} ${column.unit}\n${between}\n${n} clips`
    + (p === null ? "" : `\np = ${p}, corrected over ${family} comparisons ${holm}`)
    + `\n${VERDICT[verdict]}`
    + (effect === null ? "" : `\neffect d = ${effect.toFixed(2)}`) + (wins === null ? "" : `, better on ${(100 * wins).toFixed(0)} % of the clips`);
  return el("td", { class: kind, "data-tip": text, tabindex: -1 }, show(value));
}
