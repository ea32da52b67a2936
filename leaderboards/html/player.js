"use strict";
/* The player: one silent picture, one voice at a time, one clock. The voice is the clock; the picture follows it. */
const ICON = { play: "M4 2l11 6.5L4 15z", pause: "M3 2h4v13H3zM10 2h4v13h-4z" };
const players = new Map();

for (const node of document.querySelectorAll("[data-player]")) lazily(node, (root) => openPlayer(root));
document.addEventListener("tab", () => players.forEach((player) => player.pause()));

function openPlayer(root) {
  const ident = root.dataset.player;
  if (!players.has(ident)) {
    root.replaceChildren();
    root.dataset.made = "yes";
    players.set(ident, new Player(root, DATA[ident]));
  }
  return players.get(ident);
}

/** From the list of clips: open an example and come into view. */
function showExample(ident, index) {
  const root = document.querySelector(`[data-player="${ident}"]`);
  openPlayer(root).open(index);
  root.closest(".card").scrollIntoView();
}

/** What follows the page's name in a link to one clip and system. */
function address(ident, clip, system) { return `#${ident}-listen?${new URLSearchParams({ clip, system })}`; }

/** Open the clip and system that the address names, if it names any that can be played. */
function followAddress() {
  const [, ident, query] = /^#(t\d+)-listen\?(.*)$/.exec(location.hash) || [];
  if (!ident || !DATA[ident]) return;
  const wanted = new URLSearchParams(query);
  const { ids, examples } = DATA[ident];
  const index = examples.findIndex((example) => ids[example.clip] === wanted.get("clip"));
  if (index < 0) return;
  openTab(ident);
  showExample(ident, index);
  const player = players.get(ident);
  const at = player.example.tracks.findIndex((track) => track.name === wanted.get("system"));
  if (at >= 0) player.pick(at);
}
addEventListener("hashchange", followAddress);

function svg(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** F0 as a path over `span` seconds, 60 to 500 Hz on a log scale over the whole height. */
function pitchPath(pitch, hop, span) {
  let path = "";
  let pen = false;
  pitch.forEach((hertz, i) => {
    if (!hertz) { pen = false; return; }
    const y = 100 * (1 - Math.log(Math.min(500, Math.max(60, hertz)) / 60) / Math.log(500 / 60));
    path += `${pen ? "L" : "M"}${((i * hop / span) * 1000).toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  });
  return path;
}

class Player {
  constructor(root, sheet) {
    Object.assign(this, { root, sheet, voices: [], at: 0, position: 0, playing: false, rate: 1, f0: true, loop: false });
    if (!sheet.examples.length) return void root.append(el("p", { class: "quiet" }, "No clip of this run can be shown."));
    this.chips = el("div", { class: "chips", role: "group", "aria-label": "Clips" });
    this.body = el("div", { class: "stage" });
    sheet.examples.forEach((example, i) => this.chips.append(el("button", { type: "button", class: "chip", onclick: () => this.open(i) },
      sheet.ids[example.clip], el("small", {}, example.why))));
    root.append(this.chips, this.body);
    root.tabIndex = -1;
    root.addEventListener("keydown", (event) => this.key(event));
    this.open(0);
    const frame = () => { this.tick(); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  }

  open(index) {
    this.pause();
    this.example = this.sheet.examples[index];
    [...this.chips.children].forEach((chip, i) => chip.setAttribute("aria-pressed", i === index));
    const same = this.name;
    const tracks = this.example.tracks;
    this.voices = tracks.map((track) => Object.assign(new Audio(track.sound), { preload: "auto" }));
    this.at = Math.max(0, tracks.findIndex((track) => track.name === same));
    this.position = 0;
    this.draw();
    if (tracks.length) this.pick(this.at);
  }

  draw() {
    const { example, sheet } = this;
    this.video = null;
    let screen = el("div", { class: "blank" }, "No picture");
    if (example.video) {
      this.video = screen = el("video", { src: example.video, playsinline: true, preload: "auto" });
      this.video.muted = true;
      this.video.addEventListener("loadedmetadata", () => screen.style.setProperty("--shape", `${screen.videoWidth} / ${screen.videoHeight}`));
      this.video.addEventListener("click", () => this.toggle());
    }
    this.icon = svg("path", { d: ICON.play });
    const picture = svg("svg", { viewBox: "0 0 17 17" });
    picture.append(this.icon);
    this.button = el("button", { type: "button", class: "play", "aria-label": "Play", onclick: () => this.toggle() }, picture);
    this.clock = el("span", {}, "");
    const box = (key, text) => {
      const input = el("input", { type: "checkbox", onchange: (event) => { this[key] = event.target.checked; this.overlays(); } });
      input.checked = this[key];
      return el("label", {}, input, ` ${text}`);
    };
    const speeds = choice("", [[1, "1×"], [0.5, "0.5×"]], (value) => { this.rate = value; this.apply(); }, this.rate);
    speeds.firstChild.remove();
    speeds.firstChild?.setAttribute("aria-label", "Speed");
    this.link = el("a", { href: "#" }, "link to this");
    const left = el("div", { class: "screen" }, screen,
      el("div", { class: "transport" }, this.button, this.clock, box("loop", "loop"), box("f0", "F0"), speeds, this.link),
      el("p", { class: "quote" }, sheet.texts[example.clip]),
      el("p", { class: "quiet" }, [sheet.ids[example.clip], sheet.speakers[example.clip], sheet.references[example.clip] && `reference ${sheet.references[example.clip]}`].filter(Boolean).join(" · ")),
      example.problems.length ? el("div", { class: "problems" }, ...example.problems.map((line) => el("div", {}, line))) : null);
    this.lines = example.tracks.map((track, i) => this.track(track, i));
    const right = el("div", { class: "tracks" }, ...this.lines);
    if (!this.lines.length) right.append(el("p", { class: "quiet" }, "No sound of this clip can be played."));
    this.body.replaceChildren(left, right);
    this.overlays();
  }

  track(track, index) {
    const { sheet, example } = this;
    const values = track.system < 0 ? [] : sheet.columns.slice(0, 12).map((column, c) => [column, sheet.values[c][track.system][example.clip]])
      .filter(([column, value]) => value !== null && column.direction !== "none");
    const brief = values.slice(0, 4).map(([column, value]) => el("span", {}, `${column.name} ${shown(value, column)}`));
    const all = values.map(([column, value]) => `${column.name} ${shown(value, column)} ${column.unit}`.trim()).join("\n");
    const mel = el("div", { class: "mel" }, el("img", { src: track.mel, alt: `mel spectrum of ${track.name}`, draggable: "false" }));
    const line = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    const truth = example.tracks.find((other) => other.name === "ground_truth" || other.system < 0);
    if (truth && truth !== track) line.append(svg("path", { class: "true", d: pitchPath(truth.pitch, sheet.hop, example.span) }));
    line.append(svg("path", { class: "f0", d: pitchPath(track.pitch, sheet.hop, example.span) }));
    mel.append(line);
    if (track.seconds < example.span - 0.02) mel.append(Object.assign(el("div", { class: "end" }), { title: "the dub has ended" }));
    const end = mel.querySelector(".end");
    if (end) end.style.left = `${(track.seconds / example.span) * 100}%`;
    mel.append(el("div", { class: "head-line" }));
    mel.addEventListener("click", (event) => {
      const box = mel.getBoundingClientRect();
      this.pick(index);
      this.seek(((event.clientX - box.left) / box.width) * example.span);
    });
    return el("div", { class: "track" },
      el("button", { type: "button", class: "pick", "data-tip": all || null, onclick: () => this.pick(index) }, el("b", {}, track.name), el("small", {}, ...brief)), mel);
  }

  overlays() { for (const line of this.lines || []) line.querySelector("svg").style.display = this.f0 ? "" : "none"; }

  get voice() { return this.voices[this.at]; }

  pick(index) {
    const before = this.voice;
    this.at = index;
    this.name = this.example.tracks[index].name;
    this.link.href = address(this.root.dataset.player, this.sheet.ids[this.example.clip], this.name);
    this.lines.forEach((line, i) => { line.classList.toggle("on", i === index); line.querySelector(".pick").setAttribute("aria-pressed", i === index); });
    if (this.playing && before !== this.voice) {
      this.voice.playbackRate = this.rate;
      this.voice.currentTime = Math.min(this.position, this.example.tracks[index].seconds);
      this.voice.play().then(() => before.pause(), () => before.pause());
    }
  }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    if (!this.voices.length) return;
    if (this.position >= this.example.span - 0.03) this.position = 0;
    this.playing = true;
    this.seek(this.position);
    this.apply();
    if (this.video) this.video.play().catch(() => {});
    this.voice.play().catch(() => {});
    this.icon.setAttribute("d", ICON.pause);
    this.button.setAttribute("aria-label", "Pause");
  }

  pause() {
    this.playing = false;
    if (this.video) this.video.pause();
    this.voices.forEach((voice) => voice.pause());
    if (!this.icon) return;
    this.icon.setAttribute("d", ICON.play);
    this.button.setAttribute("aria-label", "Play");
  }

  apply() { for (const part of [this.video, ...this.voices]) if (part) part.playbackRate = this.rate; }

  seek(seconds) {
    this.position = Math.min(Math.max(0, seconds), this.example.span);
    if (this.video) this.video.currentTime = this.position;
    if (this.voice) this.voice.currentTime = Math.min(this.position, this.example.tracks[this.at].seconds);
    if (this.playing) { this.voice.play().catch(() => {}); if (this.video) this.video.play().catch(() => {}); }
  }

  tick() {
    if (!this.example || !this.lines) return;
    const { video, voice } = this;
    if (this.playing && voice) {
      const heard = !voice.ended && !voice.paused;
      if (heard) this.position = voice.currentTime;
      else if (video && !video.ended) this.position = Math.max(this.position, video.currentTime);
      if (heard && video && !video.ended && !video.paused) {
        const drift = video.currentTime - voice.currentTime;
        if (Math.abs(drift) > 0.2) video.currentTime = voice.currentTime;
        else video.playbackRate = this.rate * (Math.abs(drift) > 0.01 ? 1 - Math.max(-0.3, Math.min(0.3, drift * 4)) : 1);
      }
      if (voice.ended && (!video || video.ended)) {
        this.position = this.example.span;
        this.pause();
        if (this.loop) { this.position = 0; this.play(); }
      }
    }
    const share = `${(this.position / this.example.span) * 100}%`;
    for (const line of this.lines) line.querySelector(".head-line").style.left = share;
    const text = `${this.position.toFixed(2)} / ${this.example.span.toFixed(2)} s`;
    if (this.clock.textContent !== text) this.clock.textContent = text;
  }

  key(event) {
    if (event.target.closest("select, input")) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === " " && !event.target.closest("button:not(.pick)")) this.toggle();
    else if (step) this.pick((this.at + step + this.voices.length) % this.voices.length);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") this.seek(this.position + (event.key === "ArrowRight" ? 0.25 : -0.25));
    else return;
    event.preventDefault();
  }
}

followAddress();
