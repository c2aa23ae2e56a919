// The desk's living parts: news from the server, counts in the title, bell, keys. Pages work without it.
"use strict";

(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const told = main.dataset;
  const baseTitle = document.title;
  let last = { waiting: 0, red: 0, mine: 0, calls: 0 };
  let first = true;

  const keep = {
    get(name) { try { return localStorage.getItem(name); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(name, value); } catch { /* a locked browser keeps nothing */ } },
  };

  // --- pieces of pages: the browser's own parser, no script ever runs from them -----------------------------------
  const part = (address) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Error(String(request.status)));
    };
    request.onerror = () => reject(new Error("0"));
    request.send();
  });
  const token = (value) => {
    const meta = document.querySelector('meta[name="form-token"]');
    if (value && meta) meta.content = value;
    return meta ? meta.content : "";
  };
  const send = (address, values) => {
    const body = values instanceof FormData ? values : new URLSearchParams(values);
    return fetch(address, {
      method: "POST", body, headers: { "X-Form-Token": token(), Accept: "application/json" }, credentials: "same-origin",
    });
  };
  // A page older than the sign-in (she signed in again in another tab) asks for the new token and tries once more.
  const post = async (address, values) => {
    const answer = await send(address, values);
    if (answer.status !== 400) return answer;
    try {
      const fresh = await part(told.talk || told.list);
      token((fresh.getElementById("fresh") || fresh.getElementById("list")).dataset.token);
    } catch (error) {
      return error.message === "401" ? new Response("", { status: 401 }) : answer;
    }
    return send(address, values);
  };
  const toast = (words, act) => {
    const box = document.createElement("div");
    box.className = "toast";
    box.textContent = words;
    if (act) {
      box.textContent = "";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "toast-act";
      button.textContent = words;
      button.addEventListener("click", () => { box.remove(); act(); });
      box.append(button);
    }
    document.getElementById("toasts").append(box);
    if (!act) setTimeout(() => box.remove(), 7000);
    return box;
  };

  // --- the bell ----------------------------------------------------------------------------------------------------
  const bell = document.getElementById("bell");
  const ringing = () => keep.get("osso-bell") === "on";
  const showBell = () => {
    if (!bell) return;
    bell.hidden = false;
    bell.textContent = ringing() ? bell.dataset.on : bell.dataset.off;
    bell.setAttribute("aria-pressed", String(ringing()));
  };
  if (bell) {
    showBell();
    bell.addEventListener("click", async () => {
      keep.set("osso-bell", ringing() ? "off" : "on");
      if (ringing() && "Notification" in window && Notification.permission === "default") {
        await Notification.requestPermission();
      }
      showBell();
      if (ringing()) ring(false);
    });
  }
  let sound = null;
  const ring = (urgent) => {
    if (!ringing()) return;
    try {
      sound = sound || new AudioContext();
      for (let beat = 0; beat < (urgent ? 4 : 1); beat += 1) {
        const tone = sound.createOscillator();
        const level = sound.createGain();
        const at = sound.currentTime + beat * 0.28;
        tone.frequency.value = urgent ? 880 : 560;
        level.gain.setValueAtTime(0.0001, at);
        level.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
        level.gain.exponentialRampToValueAtTime(0.0001, at + 0.22);
        tone.connect(level).connect(sound.destination);
        tone.start(at);
        tone.stop(at + 0.24);
      }
    } catch { /* no sound here */ }
  };
  const notify = (words) => {
    if (!ringing() || !document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
    const shown = new Notification("OSSO", { body: words, tag: "osso-desk" });
    shown.onclick = () => { window.focus(); shown.close(); };
  };

  // --- counts ------------------------------------------------------------------------------------------------------
  const count = (now) => {
    const total = now.waiting + now.mine + now.calls;
    const urgent = document.getElementById("urgent");
    if (urgent) {
      urgent.hidden = !now.red;
      if (now.red) urgent.textContent = urgent.dataset.words.replace("{n}", now.red);
    }
    document.title = (now.red ? "‼ " : "") + (total ? `(${total}) ` : "") + baseTitle;
    if (!first) {
      if (now.red > last.red) { ring(true); notify(told.saidRed); }
      else if (now.waiting > last.waiting || now.mine > last.mine || now.calls > last.calls) {
        ring(false);
        notify(told.said);
      }
    }
    first = false;
    last = now;
  };
  const news = async () => {
    try {
      const answer = await fetch(told.news, { credentials: "same-origin" });
      if (answer.ok) count(await answer.json());
    } catch { /* the next one will tell */ }
  };
  // danger that nobody has taken goes on ringing
  setInterval(() => { if (last.red) ring(true); }, 15000);

  let stale = false; // something changed while she was reading on elsewhere, or had a menu of the list open
  const list = async () => {
    if (!told.list) return;
    stale = document.hidden || Boolean(document.querySelector("#list form:focus-within, .menu[open]"));
    if (stale) return;
    try {
      const fresh = (await part(told.list)).getElementById("list");
      const old = document.getElementById("list");
      if (fresh && old && fresh.innerHTML !== old.innerHTML) {
        const focused = document.activeElement && document.activeElement.closest("#list a");
        const where = focused ? focused.getAttribute("href") : "";
        old.replaceWith(document.adoptNode(fresh));
        if (where) document.querySelector(`#list a[href="${CSS.escape(where)}"]`)?.focus();
      }
      token(document.getElementById("list").dataset.token);
      for (const mark of document.querySelectorAll("[data-count=waiting]")) mark.textContent = fresh.dataset.waiting;
      const next = document.getElementById("next");
      if (next) next.disabled = fresh.dataset.waiting === "0";
    } catch (error) {
      if (error.message === "401") location.reload();
    }
  };

  // --- the stream --------------------------------------------------------------------------------------------------
  // Many changes are one question: it is asked soon, at a moment of this page's own, and the next one not before the
  // answer is there and the page has rested. So a busy hour costs the server a steady drip, not a flood.
  const asking = {};
  const soon = (name, act, most, rest = 0) => {
    const one = asking[name] || (asking[name] = { busy: false, again: false });
    one.again = one.busy;
    if (one.busy) return;
    one.busy = true;
    setTimeout(async () => {
      one.again = false;
      await act();
      setTimeout(() => { one.busy = false; if (one.again) soon(name, act, most, rest); }, rest);
    }, Math.random() * most);
  };
  const calm = Number(told.calm || 0);
  const heard = (change) => {
    if (change.queue || change.calls || change.people) soon("list", list, 700, calm);
    if (change.queue || change.calls || change.chat) soon("news", news, 900, calm);
    if (change.chat) document.dispatchEvent(new Event("osso-chat"));
  };
  let stream = null;
  let away = 0; // looks in a row that found no stream
  const lost = document.getElementById("lost");
  const listen = () => {
    if (!("EventSource" in window)) return;
    stream = new EventSource(told.live);
    stream.onmessage = (event) => heard(JSON.parse(event.data));
    stream.onopen = () => {
      if (away > 1) heard({ queue: true, chat: true });
      away = 0;
      if (lost) lost.hidden = true;
    };
  };
  listen();
  news();
  // The stream ends every minute and comes again at once. One that stays away is told, tried for, and asked around.
  setInterval(() => {
    if (stream && stream.readyState === 1) return;
    away += 1;
    if (lost && away > 1) lost.hidden = false;
    if (stream && stream.readyState !== 2) return;
    listen();
    if (!calm) heard({ queue: true, chat: true });
  }, 4000);
  // Minutes pass in words; and what a lost stream would have told is asked for.
  setInterval(() => { soon("list", list, 0); soon("news", news, 0); }, 30000);
  const fresh = () => { if (stale && !document.hidden) soon("list", list, 0); };
  document.addEventListener("visibilitychange", fresh);
  setInterval(fresh, 2000);

  // --- sign of life: a hand on keys, mouse or glass in the last ten minutes ----------------------------------------
  let active = Date.now();
  for (const name of ["pointerdown", "keydown", "touchstart", "wheel"]) {
    addEventListener(name, () => { active = Date.now(); }, { passive: true });
  }
  const beat = (writing) => post(told.beat, { ticket: told.ticket || "", writing: writing || "" }).catch(() => {});
  setInterval(() => { if (Date.now() - active < 600000) beat(); }, 25000);

  // --- whom to give a chat to: the names come into a list when it is opened ----------------------------------------
  document.addEventListener("toggle", (event) => {
    const to = event.target.open && event.target.querySelector("select[data-people]");
    if (!to || to.options.length > 1) return;
    to.append(document.importNode(document.getElementById("people").content, true));
    [...to.options].find((one) => one.value && one.value === to.dataset.but)?.remove();
  }, true);

  // --- keys --------------------------------------------------------------------------------------------------------
  const keys = document.getElementById("keys");
  const cover = document.getElementById("cover");
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys]")) keys.showModal();
    if (event.target.closest("#cover")) cover.hidden = true;
  });
  const openMenu = (id) => {
    const summary = document.getElementById(id);
    if (!summary) return;
    summary.parentElement.open = true;
    summary.parentElement.querySelector(".menu-panel button, .menu-panel select")?.focus();
  };
  const links = () => [...document.querySelectorAll(".lines .line-link")];
  const move = (step) => {
    const all = links();
    if (!all.length) return;
    const here = all.findIndex((one) => one === document.activeElement || one.getAttribute("aria-current"));
    const next = all[Math.max(0, Math.min(all.length - 1, here + step))];
    next.focus();
    if (told.ticket) next.click();
  };
  const acts = {
    "?": () => keys.showModal(),
    j: () => move(1),
    k: () => move(-1),
    n: () => document.getElementById("next")?.click(),
    t: () => document.getElementById("take")?.click(),
    r: () => { document.getElementById("tab-reply")?.click(); document.getElementById("text")?.focus(); },
    m: () => { document.getElementById("tab-note")?.click(); document.getElementById("note")?.focus(); },
    s: () => openMenu("snooze"),
    e: () => openMenu("close"),
    u: () => document.querySelector(".toast-act")?.click(),
    "/": () => document.getElementById("open-finds")?.click(),
    f: () => { location.href = told.search || "search"; },
    g: () => { location.href = told.queue || location.pathname; },
    b: () => { cover.hidden = false; },
  };
  document.addEventListener("keydown", (event) => {
    if (!cover.hidden) { cover.hidden = true; event.preventDefault(); return; }
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && field) { field.blur(); return; }
    if (field || event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const act = acts[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  window.osso = { part, post, token, toast, beat, told };
})();
