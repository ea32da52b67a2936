"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("main"), say = document.getElementById("say");
  const asked = new URLSearchParams(location.search);
  const store = "dubbench-listening-" + data.export;
  const plain = (text) => (text || "").replace(/[^A-Za-z0-9_-]/g, "").slice(0, 60);
  let keeps = true, file = null, state = load(), opened = 0, keys = {};

  function load() {
    try {
      const kept = JSON.parse(localStorage.getItem(store));
      if (kept && kept.export === data.export && data.blocks[kept.block - 1]) return kept;
    } catch (error) { keeps = false; }
    return fresh();
  }
  function fresh() {
    const lot = new Uint32Array(3);
    crypto.getRandomValues(lot);
    const block = Number(asked.get("block"));
    return {
      format: "dubbench-answers-1", export: data.export, listener: [...lot].map((x) => x.toString(36)).join("").slice(0, 10),
      block: Number.isInteger(block) && data.blocks[block - 1] ? block : 1 + lot[0] % data.blocks.length,
      participant: plain(asked.get("id") || asked.get("PROLIFIC_PID") || asked.get("workerId")),
      started: "", finished: "", agent: navigator.userAgent, at: -1, each: true, answers: {},
    };
  }
  const pages = () => data.blocks[state.block - 1];
  const test = (page) => data.tests[page.t];

  // Answers: kept after every choice, written to a file and sent after every page.
  function keep() {
    try { localStorage.setItem(store, JSON.stringify(state)); keeps = true; } catch (error) { keeps = false; }
  }
  function told() {
    const { at, each, ...rest } = state;
    return JSON.stringify({ ...rest, code: code() }, null, 1) + "\n";
  }
  function check(text) {
    let value = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
    return value.toString(36);
  }
  function code() {
    let digits = "";
    pages().forEach((page, i) => {
      const given = (state.answers[i] || {}).answers || {};
      for (const question of test(page).questions) {
        const at = question.choices.findIndex(([value]) => value === given[question.name]);
        digits += at < 0 ? "-" : at.toString(36);
      }
    });
    const text = ["DB1", data.export, state.block, state.participant || state.listener, digits].join(".");
    return text + "." + check(text);
  }
  const completion = () => String(state.block).padStart(2, "0") + "-" + code().split(".").pop().toUpperCase();
  function download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([told()], { type: "application/json" }));
    link.download = `answers-${data.export}-${String(state.block).padStart(2, "0")}-${state.participant || state.listener}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  async function hand() {
    if (data.collect) {
      fetch(data.collect, { method: "POST", body: told(), keepalive: true, headers: { "Content-Type": "text/plain" } })
        .then((reply) => { if (!reply.ok) throw new Error(reply.status); })
        .catch(() => { say.textContent = "Your answers could not be sent; they are kept here. Please keep the file at the end."; });
    }
    if (file) {
      try {
        const out = await file.createWritable();
        await out.write(told());
        await out.close();
        return;
      } catch (error) { file = null; }
    }
    if (state.each) download();
  }

  // Small pieces of page; text goes in as text, never as markup.
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  function show(...nodes) {
    say.textContent = "";
    keys = {};
    main.replaceChildren(...nodes);
    const all = pages().length, done = Math.min(Math.max(state.at, 0), all);
    document.getElementById("bar").value = done / all;
    document.getElementById("count").textContent = state.at >= 0 && state.at < all ? `Page ${state.at + 1} of ${all}` : "";
    window.scrollTo(0, 0);
    const head = main.querySelector("h1");
    head.tabIndex = -1;
    head.focus({ preventScroll: true });
  }
  function player(kind, source, label, key, heard) {
    const media = make(kind, { src: "media/" + source, preload: "auto", controls: true, playsinline: true, "aria-label": label });
    const note = make("span", { class: "heard" });
    const play = () => {
      for (const other of main.querySelectorAll("video, audio")) if (other !== media) other.pause();
      media.currentTime = 0;
      media.play().catch(() => {});
    };
    media.addEventListener("play", () => {
      for (const other of main.querySelectorAll("video, audio")) if (other !== media) other.pause();
    });
    media.addEventListener("ended", () => { note.textContent = "✓ played"; heard("ended"); });
    media.addEventListener("error", () => { note.textContent = "This cannot be played; go on without it."; heard("broken"); });
    const button = make("button", { type: "button", on: { click: play } }, `Play ${label}`);
    keys[key] = play;
    return { media, node: make("div", { class: "side" }, media, make("div", { class: "row" }, button, note)) };
  }

  function start() {
    const name = make("input", { type: "text", id: "who", value: state.participant, autocomplete: "off", maxlength: 60 });
    const each = make("input", { type: "checkbox", id: "each" });
    each.checked = state.each;
    const sound = player("video", data.check, "sound check", "p", () => {});
    sound.node.classList.add("one");
    const pick = make("button", { type: "button", on: { click: async () => {
      try {
        file = await window.showSaveFilePicker({ suggestedName: `answers-${data.export}.json` });
        pick.textContent = "✓ One file holds all answers";
        each.checked = false;
      } catch (error) { /* the listener chose none */ }
    } } }, "Keep all answers in one file …");
    const tests = [...new Set(pages().map((page) => page.t))].map((t) => data.tests[t]);
    show(
      make("section", { class: "card" },
        make("h1", {}, data.title),
        make("p", {}, `You will see ${pages().length} pages with short videos and say what you hear. Use headphones in a quiet room. There is no right or wrong: your own impression counts.`),
        ...tests.map((t) => make("p", {}, t.says)),
        make("p", { class: "soft" }, "You can stop and come back on this device: answers are kept after every choice."),
        keeps ? "" : make("p", { class: "soft" }, "This browser keeps nothing for this page: do not close it before the end.")),
      make("section", { class: "card" },
        make("h2", {}, "Set the volume"),
        make("p", {}, "Play this and set a comfortable volume. Leave it as it is from then on."), sound.node),
      make("section", { class: "card" },
        make("label", { for: "who" }, "Your name or number, if you were given one"), name,
        make("div", { class: "row" }, each, make("label", { for: "each" }, "Save my answers as a file after every page")),
        window.showSaveFilePicker ? pick : "",
        make("button", { type: "button", class: "go", id: "begin", on: { click: () => {
          state.participant = plain(name.value);
          state.each = each.checked;
          state.started = new Date().toISOString();
          state.at = 0;
          keep();
          page();
        } } }, "Begin")));
  }

  function page() {
    const at = state.at, shown = pages()[at], asks = test(shown);
    const mine = state.answers[at] || (state.answers[at] = { answers: {}, seconds: 0, plays: {}, broken: false });
    opened = performance.now();
    const first = at === 0 || pages()[at - 1].t !== shown.t;
    const must = new Set(), sides = [];
    const add = (kind, source, label, key, needed) => {
      if (!source) return;
      if (needed && !mine.plays[key]) must.add(key);
      const made = player(kind, source, label, key, (how) => {
        must.delete(key);
        if (how === "broken") mine.broken = true; else mine.plays[key] = (mine.plays[key] || 0) + 1;
        keep();
      });
      sides.push(made.node);
    };
    // Shown first what is compared with, then what is judged.
    show(make("h1", {}, ""));
    add("audio", shown.r, "reference voice", "r", true);
    add("video", shown.o, "original", "o", false);
    shown.m.forEach((source, i) => add("video", source, asks.sides === 1 ? "video" : "ABCDEF"[i], asks.sides === 1 ? "p" : "ab"[i], true));
    if (sides.length === 1) sides[0].classList.add("one");
    const bound = keys, fields = asks.questions.map((question) => field(question, mine));
    const next = make("button", { type: "button", class: "go", id: "next", on: { click: forward } }, at + 1 === pages().length ? "Finish" : "Next");
    show(
      make("section", { class: "card" },
        make("h1", {}, first ? asks.says : asks.questions.length > 1 ? "Compare the two" : asks.questions[0].asks),
        shown.x ? make("p", { class: "text" }, `The sentence: “${shown.x}”`) : "",
        make("div", { class: "sides" }, ...sides)),
      make("section", { class: "card" }, ...fields, next,
        make("p", { class: "keys" }, "Keys: ", ...hints(bound), " play · ", ...number(asks), make("kbd", {}, "Enter"), " go on")));
    keys = { ...bound, Enter: forward };
    if (asks.questions.length === 1) {
      for (const input of main.querySelectorAll("input[type=radio]")) keys[input.dataset.key] = () => { input.click(); input.focus(); };
    }
    function forward() {
      const open = asks.questions.filter((question) => !(question.name in mine.answers));
      if (must.size && !mine.broken) { say.textContent = "Please play " + (must.size > 1 ? "everything" : "it") + " to the end first."; return; }
      if (open.length && !mine.broken) {
        say.textContent = "Please answer: " + open[0].asks;
        main.querySelector(`input[name="${open[0].name}"]`).focus();
        return;
      }
      count(mine);
      state.at += 1;
      if (state.at >= pages().length) state.finished = new Date().toISOString();
      keep();
      hand();
      draw();
    }
  }
  function count(mine) {
    mine.seconds = Math.round((mine.seconds + (performance.now() - opened) / 1000) * 10) / 10;
    opened = performance.now();
  }
  function number(asks) {
    const scale = asks.questions.length === 1 && asks.questions[0].choices[0][0] > 0;
    return scale ? [make("kbd", {}, "1"), " … choose · "] : [make("kbd", {}, "Tab"), " and arrows choose · "];
  }
  function hints(bound) {
    return Object.keys(bound).flatMap((key, i) => [i ? " " : "", make("kbd", {}, key)]);
  }
  function field(question, mine) {
    const choices = question.choices.map(([value, label], i) => {
      const id = `${question.name}-${i}`;
      const whole = typeof value === "number" && Number.isInteger(value) && value > 0 && question.choices[0][0] > 0;
      const input = make("input", { type: "radio", name: question.name, id, "data-key": whole ? String(value) : "", on: { change: () => {
        mine.answers[question.name] = value;
        say.textContent = "";
        keep();
      } } });
      input.checked = mine.answers[question.name] === value;
      const number = typeof value === "number" && question.choices[0][0] > 0;
      return make("label", { for: id }, input, number ? make("b", {}, String(value)) : "", label);
    });
    const few = question.choices.length === 3 ? "scale three" : "scale";
    return make("fieldset", {}, make("legend", {}, question.asks), make("div", { class: few }, ...choices));
  }

  function finish() {
    const copy = (text, button) => navigator.clipboard && navigator.clipboard.writeText(text).then(() => { button.textContent = "✓ copied"; });
    const short = make("button", { type: "button", on: { click: (event) => copy(completion(), event.target) } }, "Copy");
    const long = make("button", { type: "button", on: { click: (event) => copy(code(), event.target) } }, "Copy");
    show(
      make("section", { class: "card" },
        make("h1", {}, "Thank you: that was all."),
        make("p", {}, "Your completion code:"), make("div", { class: "row" }, make("span", { class: "code", id: "completion" }, completion()), short)),
      make("section", { class: "card" },
        make("label", { for: "code" }, "Your answers in one line. Paste it where you are asked for it:"),
        make("textarea", { id: "code", readonly: true }, code()),
        make("div", { class: "row" }, long,
          make("button", { type: "button", id: "save", on: { click: download } }, "Save my answers as a file"))),
      make("section", { class: "card" },
        make("p", { class: "soft" }, "Another listener on this device?"),
        make("button", { type: "button", id: "again", on: { click: () => { state = fresh(); keep(); start(); } } }, "Start again for another listener")));
  }
  function draw() {
    if (state.at < 0) start(); else if (state.at < pages().length) page(); else finish();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input[type=text], textarea")) return;
    if (event.key === "Enter" && event.target.matches("button, summary, a")) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });
  window.addEventListener("pagehide", () => {
    if (state.at >= 0 && state.at < pages().length && state.answers[state.at]) { count(state.answers[state.at]); keep(); }
  });
  draw();
})();
