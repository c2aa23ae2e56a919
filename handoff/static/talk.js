// One chat: stays fresh, keeps drafts, sends with five seconds to think again, finds saved words.
"use strict";

(() => {
  if (!window.osso) return;
  const { part, post, token, toast, beat, told } = window.osso;
  const scroll = document.getElementById("scroll");
  const reply = document.getElementById("reply-form");
  const text = document.getElementById("text");
  const note = document.getElementById("note");
  const kept = document.getElementById("kept");

  const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
  const toEnd = () => { scroll.scrollTop = scroll.scrollHeight; };
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
  else toEnd();

  // On a narrow screen what is known of her is folded away at first.
  if (matchMedia("(max-width: 70rem)").matches) document.getElementById("about")?.removeAttribute("open");

  // --- pictures: fetched when asked for; one that did not come says why, and can be asked for again ------------------
  document.addEventListener("error", async (event) => {
    const box = event.target.closest?.(".blurred");
    if (!box) return;
    const why = box.querySelector(".unseen");
    const answer = await fetch(event.target.src, { credentials: "same-origin" }).catch(() => null);
    if (answer?.status === 401) late();
    why.firstElementChild.textContent = answer?.ok ? "" : answer ? (await answer.text()).slice(0, 300) : told.lostWords;
    event.target.hidden = true;
    why.hidden = false;
  }, true);
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-retry]")?.closest(".blurred");
    if (!box) return;
    const image = box.querySelector("img");
    box.querySelector(".unseen").hidden = true;
    image.hidden = false;
    image.src = image.getAttribute("src");
  });

  // --- fresh -------------------------------------------------------------------------------------------------------
  let busy = false;
  let again = false;
  const served = new WeakMap();  // a line of the talk -> its markup as the server gave it
  for (const one of document.querySelectorAll("#talk > *")) served.set(one, one.outerHTML);
  // What did not change stays as it stands: unfolded, a picture loaded. True when something changed.
  const merge = (before, talk) => {
    const had = new Map([...before.children].map((one) => [served.get(one), one]));
    const lines = [...talk.children].map((one) => {
      const old = had.get(one.outerHTML);
      if (old) { had.delete(one.outerHTML); return old; }
      served.set(one, one.outerHTML);
      if (one.id && document.getElementById(one.id)?.querySelector("details.why[open]")) {
        one.querySelector("details.why")?.setAttribute("open", "");
      }
      return document.adoptNode(one);
    });
    if (lines.length === before.children.length && lines.every((one, place) => one === before.children[place])) return false;
    for (const gone of had.values()) gone.remove();
    let place = before.firstElementChild;
    for (const one of lines) {
      if (one === place) place = place.nextElementSibling;
      else before.insertBefore(one, place);
    }
    while (place) { const gone = place; place = place.nextElementSibling; gone.remove(); }
    before.dataset.last = talk.dataset.last;
    return true;
  };
  // The page is drawn anew for another holder or level, but never while something is written, asked or taken back.
  const drawn = document.getElementById("fresh").dataset.state;
  let undoing = 0;
  const idle = () => !undoing && !document.querySelector("details.menu[open], dialog[open]")
    && ![...document.querySelectorAll("main textarea")].some((one) => one.value.trim());
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const fresh = (await part(told.talk + location.search)).getElementById("fresh");
      const old = document.getElementById("fresh");
      if (fresh && old) {
        token(fresh.dataset.token);
        if (fresh.dataset.state !== drawn && idle()) { location.reload(); return; }
        if (fresh.dataset.state !== old.dataset.state) {  // her hands are full: the page stays, only told
          const holder = (one) => one.dataset.state.split(" ")[1];
          if (holder(fresh) !== holder(old)) toast(told.movedWords);
          old.dataset.state = fresh.dataset.state;
          old.querySelector("#talk-top").replaceWith(document.adoptNode(fresh.querySelector("#talk-top")));
        }
        document.getElementById("state").textContent = fresh.dataset.said;
        const follow = atEnd();
        if (merge(old.querySelector("#talk"), fresh.querySelector("#talk")) && follow) toEnd();
        old.querySelector("#here").replaceWith(document.adoptNode(fresh.querySelector("#here")));
      }
    } catch (error) {
      if (error.message === "401") late();
      if (error.message === "404" || error.message === "409") location.href = told.queue;
    } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  };
  document.addEventListener("osso-chat", refresh);
  setInterval(() => { if (!document.hidden) refresh(); }, 30000);

  let lateShown = false;
  const late = () => {
    if (lateShown) return;
    lateShown = true;
    toast(told.lateWords, () => { lateShown = false; window.open(told.signIn, "_blank", "noopener"); });
  };
  const failed = async (answer) => {
    if (answer.status === 401) late();
    else toast((await answer.text()).slice(0, 300));
  };

  // --- small forms that need no new page ---------------------------------------------------------------------------
  document.addEventListener("submit", async (event) => {
    if (!event.target.hasAttribute("data-quick")) return;
    event.preventDefault();
    const answer = await post(event.target.action, new FormData(event.target));
    if (answer.ok) refresh(); else failed(answer);
  }, true);

  // --- the menus: what is refused is told, and what was written in them stays ---------------------------------------
  const done = async (form, submitter) => {
    const body = new FormData(form);
    if (submitter?.name) body.append(submitter.name, submitter.value);
    try {
      const answer = await post(form.action, body);
      if (answer.ok) return answer;
      failed(answer);
    } catch { toast(told.lostWords); }
    delete form.dataset.sent;
    return null;
  };
  document.querySelector(".acts").addEventListener("submit", async (event) => {
    if (event.target.dataset.sent) return;
    event.preventDefault();
    const answer = await done(event.target, event.submitter);
    if (answer?.redirected) location.href = answer.url;
    else if (answer) location.reload();
  });

  if (!reply) return;

  // --- reply or note: two forms, two colours, two addresses --------------------------------------------------------
  const tabs = { reply: document.getElementById("tab-reply"), note: document.getElementById("tab-note") };
  const notes = document.getElementById("note-form");
  const pictures = document.getElementById("picture-form");
  const choose = (name) => {
    reply.hidden = name !== "reply";
    pictures.hidden = name !== "reply";
    notes.hidden = name !== "note";
    for (const [key, tab] of Object.entries(tabs)) tab.setAttribute("aria-selected", String(key === name));
  };
  tabs.reply.addEventListener("click", () => choose("reply"));
  tabs.note.addEventListener("click", () => choose("note"));
  choose("reply");

  // --- drafts ------------------------------------------------------------------------------------------------------
  const waits = {};
  const keepDraft = (kind, field) => {
    clearTimeout(waits[kind]);
    waits[kind] = setTimeout(async () => {
      try {
        const answer = await post(told.draft, { kind, text: field.value });
        if (answer.status === 401) late();
        else if (kept && answer.ok) kept.textContent = field.value.trim() ? kept.dataset.words : "";
      } catch { if (kept) kept.textContent = told.lostWords; }
    }, 1200);
  };
  let typed = 0;
  const typing = (what) => {
    if (Date.now() - typed > 3000) { typed = Date.now(); beat(what); }
  };
  const grow = () => { text.style.height = ""; text.rows = Math.min(10, Math.max(3, text.value.split("\n").length + 1)); };
  text.addEventListener("input", () => { keepDraft("reply", text); typing("reply"); grow(); });
  note.addEventListener("input", () => { keepDraft("note", note); typing("note"); });
  grow();

  // --- sending, and five seconds to take it back -------------------------------------------------------------------
  const fresh = () => crypto.randomUUID ? crypto.randomUUID() : "";
  const attached = document.getElementById("attached");
  const attach = (file, name) => {
    if (attached.querySelector(`input[value="${CSS.escape(file)}"]`)) return;
    const chip = document.createElement("span");
    const hidden = document.createElement("input");
    const drop = document.createElement("button");
    chip.textContent = `${attached.dataset.words.replace("{name}", name)} `;
    chip.dataset.name = name;
    hidden.type = "hidden";
    hidden.name = "attach";
    hidden.value = file;
    drop.type = "button";
    drop.className = "link";
    drop.textContent = attached.dataset.drop;
    drop.addEventListener("click", () => { chip.remove(); attached.hidden = !attached.children.length; });
    chip.append(hidden, drop);
    attached.append(chip);
    attached.hidden = false;
  };
  const undo = (once, words, files) => {
    let left = 5;
    undoing += 1;
    const box = toast(words.replace("{n}", left), async () => {
      clearInterval(clock);
      undoing -= 1;
      const answer = await post(told.undo, { once });
      if (!answer.ok) { failed(answer); refresh(); return; }
      const said = (await answer.json()).text;
      text.value = said + (text.value.trim() ? `\n---\n${text.value}` : "");
      for (const [file, name] of files) attach(file, name);
      grow();
      text.focus();
      refresh();
    });
    const clock = setInterval(() => {
      left -= 1;
      const button = box.querySelector("button");
      if (button) button.textContent = words.replace("{n}", left);
      if (left <= 0 || !box.isConnected) { clearInterval(clock); undoing -= 1; box.remove(); refresh(); setTimeout(refresh, 2500); }
    }, 1000);
  };
  const send = async (address) => {
    const body = new FormData(reply);
    const once = fresh();
    const was = text.value;
    const asks = address.endsWith("/contact");
    const files = asks ? [] : [...attached.children].map((one) => [one.querySelector("input").value, one.dataset.name]);
    if (once) body.set("once", once);
    const file = address.endsWith("/later") && pictures.elements.file.files[0];  // chosen beside it: goes along
    if (file) body.set("file", file);
    clearTimeout(waits.reply);
    try {
      const answer = await post(address, body);
      if (!answer.ok) { failed(answer); return; }
      const told = await answer.json().catch(() => ({}));
      if (!asks && text.value === was) text.value = "";
      if (file) pictures.reset();
      if (told.told) toast(told.told);
      if (!asks) { attached.replaceChildren(); attached.hidden = true; }
      kept.textContent = "";
      grow();
      if (told.once) undo(told.once, window.osso.told.undoWords, files);
      await refresh();
      toEnd();
    } catch { toast(told.lostWords); }
  };
  reply.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    send(event.submitter?.getAttribute("formaction") || reply.getAttribute("action"));
    for (const menu of reply.querySelectorAll("details[open]")) menu.removeAttribute("open");
  });
  pictures.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new FormData(pictures);
    const once = fresh();
    if (once) body.set("once", once);
    for (const menu of reply.querySelectorAll("details[open]")) menu.removeAttribute("open");
    try {
      const answer = await post(pictures.action, body);
      if (!answer.ok) { failed(answer); return; }
      pictures.reset();
      const told = await answer.json().catch(() => ({}));
      if (told.once) undo(told.once, window.osso.told.undoWords, []);
      await refresh();
      toEnd();
    } catch { toast(told.lostWords); }
  });
  notes.addEventListener("submit", async (event) => {
    if (notes.dataset.sent) return;
    event.preventDefault();
    clearTimeout(waits.note);
    if (!await done(notes)) return;
    notes.reset();
    note.value = "";
    delete notes.dataset.sent;
    for (const folded of notes.querySelectorAll("details[open]")) folded.removeAttribute("open");
    choose("reply");
    await refresh();
    toEnd();
  });
  for (const field of [text, note]) {
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        field.form.requestSubmit(field === text ? document.getElementById("send") : undefined);
      }
    });
  }

  // --- finding words -----------------------------------------------------------------------------------------------
  const box = document.getElementById("finds");
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  let picked = 0;
  const insert = (words) => {
    const start = text.selectionStart;
    const end = text.selectionEnd;
    text.setRangeText(words, start, end, "end");
    box.hidden = true;
    text.focus();
    text.dispatchEvent(new Event("input"));
  };
  const show = (options) => {
    found.replaceChildren(...options.map((one, number) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const title = document.createElement("strong");
      const words = document.createElement("span");
      button.type = "button";
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(number === picked));
      title.textContent = (one.kind === "article" ? "▤ " : one.file ? "📎 " : "") + one.title + (one.draft ? ` (${told.draftWords})` : "");
      words.textContent = one.text;
      words.className = "small soft";
      button.append(title, words);
      button.addEventListener("click", () => { insert(one.text); if (one.file) attach(one.file, one.title); });
      item.append(button);
      return item;
    }));
  };
  let asked = 0;
  const look = async () => {
    const mine = asked += 1;
    try {
      const answer = await fetch(`${told.finds}?q=${encodeURIComponent(find.value)}`, { credentials: "same-origin" });
      if (answer.ok && mine === asked) { picked = 0; show(await answer.json()); }
    } catch { /* typing on asks again */ }
  };
  const openFinds = () => { box.hidden = !box.hidden; if (!box.hidden) { find.value = ""; find.focus(); look(); } };
  document.getElementById("open-finds").addEventListener("click", openFinds);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#finds, #open-finds")) box.hidden = true;
  });
  text.addEventListener("keydown", (event) => {
    const line = text.value.slice(0, text.selectionStart).split("\n").pop();
    if (event.key === "/" && line.trim() === "") { event.preventDefault(); openFinds(); }
  });
  let wait = 0;
  find.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(look, 150); });
  find.addEventListener("keydown", (event) => {
    const all = [...found.children];
    if (event.key === "Escape") { event.stopPropagation(); box.hidden = true; text.focus(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      picked = Math.max(0, Math.min(all.length - 1, picked + (event.key === "ArrowDown" ? 1 : -1)));
      all.forEach((one, number) => one.setAttribute("aria-selected", String(number === picked)));
      all[picked]?.scrollIntoView({ block: "nearest" });
    }
    if (event.key === "Enter") { event.preventDefault(); all[picked]?.querySelector("button").click(); }
  });

  // --- a message that was said well, kept as a saved reply ---------------------------------------------------------
  const saving = document.getElementById("save-reply");
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-shut]")) saving.close();
    const button = event.target.closest("[data-keep]");
    if (!button) return;
    let words = button.closest(".bubble").querySelector(".said").textContent;
    if (told.called) words = words.replaceAll(`chị ${told.called}`, "{ten}").replaceAll(`Chị ${told.called}`, "{ten}");
    saving.querySelector("[name=body]").value = words;
    saving.querySelector("[name=title]").value = "";
    saving.showModal();
  });
  saving.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const answer = await post(event.target.action, new FormData(event.target));
      if (!answer.ok) { failed(answer); return; }
      saving.close();
      toast(told.savedWords);
    } catch { toast(told.lostWords); }
  });
})();
