"use strict";
(() => {
  // The places of what stands in a row: see journal.py, which writes them in this order.
  const [START, END, EXIT, WHEN, INTENT, HOW, FIRST, COUNT, MINUTES, ADS, DAY, BEFORE, AFTER] =
    Array(13).keys();
  const [AT, FATIGUE, ENJOYMENT, GOAL, WANTED, PATIENCE, ACTION, POSITIONS] = Array(8).keys();
  const [BITS, ITEM, TOPIC, PLAYED, LENGTH, DRAW, VALUE] = Array(7).keys();
  const SEEN = 1, STARTED = 2, SKIPPED = 4, LIKED = 8, SAVED = 16, SHARED = 32, HID = 64;
  const ACTS = [[LIKED, "liked", "♥"], [SAVED, "saved", "★"], [SHARED, "shared", "↗"], [HID, "hid", "✕"]];
  const SIDES = ["k-one", "k-two"];

  const data = JSON.parse(document.getElementById("journal").textContent);
  const lives = data.lives;
  const weeks = document.getElementById("weeks");
  const panel = document.getElementById("visits");
  const tip = document.getElementById("tip");
  let chosen = null; // {side, visit, fetch}: the fetch counts within the visit
  let turned = null; // {from, to}: the last change to the other life

  function make(tag, css, ...inside) {
    const made = document.createElement(tag);
    if (css) made.className = css;
    made.append(...inside);
    return made;
  }

  // --- which visit ---------------------------------------------------------------------------

  function nearest(side, clock) {
    let best = 0;
    lives[side].visits.forEach((visit, i, all) => {
      if (Math.abs(visit[START] - clock) < Math.abs(all[best][START] - clock)) best = i;
    });
    return best;
  }

  function visitOf(side, fetch) {
    return lives[side].visits.findIndex((v) => fetch < v[FIRST] + v[COUNT]);
  }

  // The other life's visit to set beside one: the same one up to the parting, then the nearest.
  function beside({ side, visit }) {
    const other = 1 - side;
    const parted = data.lived === null ? Infinity : visitOf(side, data.lived);
    if (visit <= parted && visit < lives[other].visits.length) return visit;
    return nearest(other, lives[side].visits[visit][START]);
  }

  function choose(side, visit, fetch = 0) {
    const all = lives[side].visits;
    const v = Math.min(Math.max(visit, 0), all.length - 1);
    chosen = { side, visit: v, fetch: Math.min(Math.max(fetch, 0), all[v][COUNT] - 1) };
    show();
  }

  function parting() {
    if (data.lived === null) return choose(0, 0);
    const visit = visitOf(0, data.lived);
    choose(0, visit, data.lived - lives[0].visits[visit][FIRST]);
  }

  // To the other life and back again: back is where one came from, not the nearest to the nearest.
  function other() {
    if (lives.length < 2) return;
    const from = chosen;
    const back = turned && turned.to === chosen ? turned.from : null;
    if (back) choose(back.side, back.visit, back.fetch);
    else choose(1 - from.side, beside(from), from.fetch);
    turned = { from, to: chosen };
  }

  // --- words ---------------------------------------------------------------------------------

  const day = (clock) => `day ${Math.floor(clock / 24) + 1}`;
  const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  function tell(side, number) {
    const visit = lives[side].visits[number];
    const ads = visit[ADS] ? `, ${count(visit[ADS], "ad")} seen` : "";
    return `${data.agents[side]}, visit ${number + 1} of ${lives[side].visits.length}: ` +
      `${day(visit[START])}, ${visit[WHEN]}, ${visit[MINUTES]} min played${ads}; ${visit[HOW]}`;
  }

  const span = (minutes) => (minutes < 1 ? `${Math.round(60 * minutes)} s` : `${minutes.toFixed(1)} min`);

  // What came of a position: its kind (for the marks) and a sentence. `last` was looked at last.
  function fate(row, place, last) {
    const bits = row[BITS];
    if (row.length === 1) {
      if (bits & STARTED) return ["ad", "seen and clicked"];
      if (bits & SEEN) return ["ad", "seen"];
      return ["ad missed", place < last ? "overlooked" : "not reached"];
    }
    if (!(bits & SEEN)) return ["unlooked", "not looked at"];
    if (!(bits & STARTED)) return ["passed", "passed over"];
    const acts = ACTS.filter(([bit]) => bits & bit).map(([, word]) => `, ${word}`).join("");
    if (bits & SKIPPED) return ["skipped", `skipped after ${span(row[PLAYED])}${acts}`];
    const played = row[PLAYED] < 1 ? span(row[PLAYED]) : row[PLAYED].toFixed(1);
    return ["played", `played ${played} of ${row[LENGTH].toFixed(1)} min${acts}`];
  }

  // --- one visit -----------------------------------------------------------------------------

  function cell(row, place, last) {
    const [kind, words] = fate(row, place, last);
    const made = make("span", `cell ${kind}`);
    const bits = row[BITS];
    if (row.length === 1) {
      made.append(make("i", "", "ad"));
      if (bits & STARTED) made.append(make("s", "", "✓"));
    } else {
      made.style.setProperty("--t", row[TOPIC]);
      made.append(make("i", "", String(row[TOPIC])));
      if (bits & STARTED) {
        const bar = make("u");
        bar.style.setProperty("--w", Math.min(1, row[PLAYED] / Math.max(row[LENGTH], 0.1)));
        made.append(bar);
      }
      const marks = ACTS.filter(([bit]) => bits & bit).map(([, , sign]) => sign).join("");
      if (marks) made.append(make("s", "", marks));
    }
    const what = row.length === 1 ? "ad" : `topic ${row[TOPIC]}`;
    made.title = `position ${place + 1}, ${what}: ${words}`;
    return made;
  }

  const lastSeen = (rows) => rows.reduce((last, row, i) => (row[BITS] & SEEN ? i : last), -1);

  function strip(side, number, at, on) {
    const visit = lives[side].visits[number];
    const rows = lives[side].fetches[visit[FIRST] + at][POSITIONS];
    const last = lastSeen(rows);
    const here = visit[FIRST] + at === data.lived;
    const label = make("b", here ? "apart" : "", String(at + 1));
    const button = make("button", "strip", label, ...rows.map((row, i) => cell(row, i, last)));
    button.type = "button";
    button.style.setProperty("--k", rows.length);
    button.setAttribute("aria-pressed", String(on));
    const looked = rows.filter((row) => row[BITS] & SEEN).length;
    const parts = here ? "; the lives part here" : "";
    button.setAttribute("aria-label", `fetch ${at + 1}: ${looked} of ${rows.length} looked at${parts}`);
    button.addEventListener("click", () => choose(side, number, at));
    return make("li", "", button);
  }

  function table(side, fetch) {
    const rows = fetch[POSITIONS];
    const last = lastSeen(rows);
    const body = rows.map((row, i) => {
      const [kind, words] = fate(row, i, last);
      const chip = make("span", row.length === 1 ? "chip ad" : "chip", row.length === 1 ? "ad" : String(row[TOPIC]));
      if (row.length > 1) chip.style.setProperty("--t", row[TOPIC]);
      const number = (place) => make("td", place === DRAW ? "n optional" : "n", row.length > place ? row[place].toFixed(1).replace("-", "−") : "");
      return make("tr", /unlooked|missed/.test(kind) ? "off" : "",
        make("td", "n", String(i + 1)), make("td", "", chip),
        make("td", "n optional", row.length > 1 ? String(row[ITEM]) : ""),
        number(DRAW), number(VALUE), make("td", "", words));
    });
    const heads = [["#", "n"], ["topic", ""], ["item", "n optional"], ["draws", "n optional"], ["value", "n"], ["what happened", ""]];
    const head = make("tr", "", ...heads.map(([text, css]) => {
      const th = make("th", css, text);
      th.scope = "col";
      return th;
    }));
    return make("table", "fetch", make("thead", "", head), make("tbody", "", ...body));
  }

  function mood(row, later) {
    return data.moods.map((name, i) => `${name} ${row[i].toFixed(2)} → ${later[i].toFixed(2)}`).join(", ");
  }

  function article(side, number, at, active) {
    const visit = lives[side].visits[number];
    const fetch = lives[side].fetches[visit[FIRST] + at];
    const strips = Array.from({ length: visit[COUNT] }, (_, i) => strip(side, number, i, i === at));
    const ads = visit[ADS] ? `, ${count(visit[ADS], "ad")} seen` : "";
    const did = lives[side].actions[fetch[ACTION]];
    const minutes = Math.max(1, Math.round(60 * (visit[END] - visit[START])));
    const made = make("article", `visit ${SIDES[side]}${active ? " active" : ""}`,
      make("h3", "", make("span", "dot"), data.agents[side], " ",
        make("small", "", `visit ${number + 1} of ${lives[side].visits.length}, ${day(visit[START])}, ${visit[WHEN]}`)),
      make("p", "", `intent: ${data.intents[visit[INTENT]]}; ${minutes} min here, ${visit[MINUTES]} min played${ads}`),
      make("p", `exit-${visit[EXIT]}`, visit[HOW]),
      make("p", "soft", mood(visit[BEFORE], visit[AFTER]) + (visit[DAY] ? `; ${visit[DAY].toFixed(2)} of a satisfied day` : "")),
      make("ol", "fetches", ...strips),
      make("p", "", make("strong", "", `Fetch ${at + 1} of ${visit[COUNT]}`), `, ${fetch[AT]}`, did ? `: ${did}` : ""),
      make("p", "soft", `before it: fatigue ${fetch[FATIGUE].toFixed(2)}, enjoyment ${fetch[ENJOYMENT].toFixed(2).replace("-", "−")}, ` +
        `goal ${fetch[GOAL]} of ${fetch[WANTED]}, patience ${fetch[PATIENCE]}`),
      table(side, fetch));
    made.dataset.visit = number;
    made.dataset.side = side;
    return made;
  }

  // --- showing -------------------------------------------------------------------------------

  function mark() {
    for (const bar of weeks.querySelectorAll(".on, .beside")) bar.classList.remove("on", "beside");
    for (const line of document.querySelectorAll(".cursor")) line.classList.remove("on");
    if (!chosen) return;
    const bars = (side, visit, css) => weeks.querySelectorAll(`[data-s="${side}-${visit}"]`)
      .forEach((bar) => bar.classList.add(css));
    bars(chosen.side, chosen.visit, "on");
    if (lives.length > 1) bars(1 - chosen.side, beside(chosen), "beside");
    const clock = lives[chosen.side].visits[chosen.visit][START];
    for (const line of document.querySelectorAll(".cursor")) {
      const [left, right, days] = line.dataset.day.split(" ").map(Number);
      const x = left + Math.min(1, clock / 24 / days) * (right - left);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.classList.add("on");
    }
  }

  function show() {
    const inside = panel.contains(document.activeElement);
    mark();
    for (const button of document.querySelectorAll("[data-do]")) {
      const what = button.dataset.do;
      button.hidden = lives.length < 2 && (what === "other" || what === "parting");
      button.disabled = (what === "other" && !chosen) || (what === "parting" && data.lived === null);
    }
    if (!chosen) {
      panel.replaceChildren(make("p", "note", "No visit is chosen: click a bar, or press an arrow key."));
      document.getElementById("said").textContent = "No visit is chosen.";
      return;
    }
    const { side, visit, fetch } = chosen;
    const columns = [article(side, visit, fetch, true)];
    if (lives.length > 1) {
      const number = beside(chosen);
      const at = Math.min(fetch, lives[1 - side].visits[number][COUNT] - 1);
      columns.splice(1 - side, 0, article(1 - side, number, at, false));
    }
    panel.replaceChildren(...columns);
    const pressed = panel.querySelector('.active [aria-pressed="true"]');
    const list = pressed.closest(".fetches");
    list.scrollTop = pressed.offsetTop - list.offsetTop - list.clientHeight / 2;
    if (inside) pressed.focus({ preventScroll: true });
    document.getElementById("said").textContent = `${tell(side, visit)}. Fetch ${fetch + 1}.`;
  }

  // --- pointing ------------------------------------------------------------------------------

  const shapes = new Map(Array.from(weeks.querySelectorAll("svg"), (svg) => [svg,
    Array.from(svg.querySelectorAll("[data-s]"), (bar) => ({
      x: Number(bar.getAttribute("x")), y: Number(bar.getAttribute("y")),
      w: Number(bar.getAttribute("width")), h: Number(bar.getAttribute("height")),
      at: bar.dataset.s.split("-").map(Number),
    }))]));

  // The bar at the pointer or next to it: bars are thinner than fingers.
  function barAt(event, reach) {
    const svg = event.target.closest("svg");
    if (!svg || !svg.getScreenCTM()) return null;
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null;
    let least = reach;
    for (const { x, y, w, h, at } of shapes.get(svg)) {
      const dx = Math.max(x - p.x, 0, p.x - x - w);
      const dy = Math.max(y - p.y, 0, p.y - y - h);
      if (Math.hypot(dx, 1.6 * dy) < least) {
        least = Math.hypot(dx, 1.6 * dy);
        best = at;
      }
    }
    return best;
  }

  function hint(event, at) {
    tip.classList.toggle("on", Boolean(at));
    if (!at) return;
    tip.textContent = tell(...at);
    const room = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(event.clientX + 14, innerWidth - room.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + room.height > innerHeight ? event.clientY - room.height - 10 : event.clientY + 18}px`;
  }

  weeks.addEventListener("click", (event) => {
    const at = barAt(event, 16);
    if (at) choose(...at);
    if (event.pointerType === "touch") hint(event, at); // the visit may lie below the screen
  });
  weeks.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") hint(event, barAt(event, 5));
  });
  addEventListener("scroll", () => tip.classList.remove("on"), { passive: true });
  weeks.addEventListener("pointerleave", () => tip.classList.remove("on"));

  // --- keys and buttons ----------------------------------------------------------------------

  const step = (by) => (chosen ? choose(chosen.side, chosen.visit + by) : parting());
  const turn = (by) => chosen && choose(chosen.side, chosen.visit, chosen.fetch + by);
  const ends = (last) => choose(chosen ? chosen.side : 0, last ? Infinity : 0);
  const DO = { previous: () => step(-1), next: () => step(1), other: () => chosen && other(), parting };
  const EVERYWHERE = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), j: () => turn(1), k: () => turn(-1),
    Escape: () => { chosen = null; tip.classList.remove("on"); show(); },
  };
  const WITHIN = { // elsewhere these scroll the page
    ArrowUp: () => (chosen ? other() : parting()), ArrowDown: () => (chosen ? other() : parting()),
    Home: () => ends(false), End: () => ends(true),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const scrolls = event.target instanceof Element && event.target.closest(".scroll");
    const within = weeks.contains(event.target) || panel.contains(event.target);
    const act = (!scrolls && EVERYWHERE[event.key]) || (within && WITHIN[event.key]);
    if (!act) return;
    event.preventDefault();
    act();
  });
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => DO[button.dataset.do]());
  }

  parting();
})();
