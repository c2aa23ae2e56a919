// The page: sends what she says, asks for what is new, and keeps the phone and the panel in step with the server.

import { button, chips, hers, theirs } from "./bubbles.js";
import { make } from "./dom.js";
import * as panel from "./trace.js";

const MOST = 10_000_000; // bytes, as the desk opens them
const FAST = 250, CALM = 700, EAGER = 10_000, SLOWEST = 8_000, PATIENCE = 10_000; // ms
const at = (id) => document.getElementById(id);
const { home, like } = document.body.dataset;
const thread = at("thread"), lines = at("lines"), text = at("text"), quick = at("chips"), file = at("file");

let chat = "", cursor = "", timer = 0, eagerUntil = 0, failures = 0, asking = false, stopped = false, noticed = 0;
let sending = Promise.resolve();
const mine = new Map(); // message id -> row
const shown = new Set(); // ids of lines and bubbles on the screen
let last = null; // the newest bubble of the other side, while nothing came after it

// --- the server ------------------------------------------------------------------------------------------------------

function post(path, body) {
  const form = body instanceof FormData;
  return fetch(home + path, {
    method: "POST", credentials: "same-origin", signal: patience(form ? PATIENCE * 6 : PATIENCE),
    headers: { "X-OSSO-Chat": "1", ...(form ? {} : { "Content-Type": "application/json" }) },
    body: form ? body : JSON.stringify(body),
  });
}

function patience(most = PATIENCE) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), most);
  return controller.signal;
}

async function look() {
  clearTimeout(timer);
  if (asking || stopped || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(`${home}/messages?after=${encodeURIComponent(cursor)}`, { credentials: "same-origin", signal: patience() });
    if (answer.status === 401) {
      stopped = true;
      notice("Phiên thử đã hết. Bấm “Người mới” để bắt đầu lại.");
      return;
    }
    if (!answer.ok) throw new Error(answer.status);
    failures = 0;
    notice("");
    take(await answer.json());
  } catch {
    failures += 1;
    if (failures > 2) notice("Mất kết nối. Đang thử lại…");
  } finally {
    asking = false;
    const pace = Date.now() < eagerUntil ? FAST : CALM;
    timer = setTimeout(look, failures ? Math.min(pace * 2 ** failures, SLOWEST) : pace);
  }
}

function take(page) {
  if (chat && page.chat !== chat) {
    cursor = "";
    panel.forget();
  }
  chat = page.chat;
  if (page.cursor) cursor = page.cursor;
  for (const line of page.lines) if (!shown.has(line.id)) panel.tell(line);
  for (const line of [...page.lines].sort((one, other) => one.at - other.at)) draw(line); // as it looked on her phone
  panel.show(page.ticket);
  at("presence").textContent = page.owner === "person" ? "Tư vấn viên đang trò chuyện" : "Trợ lý tự động";
  writing(page.writing);
}

// --- the thread ------------------------------------------------------------------------------------------------------

function draw(line) {
  const fresh = !shown.has(line.id);
  if (line.author === "person") {
    shown.add(line.id);
    const row = mine.get(line.message);
    if (row) row.mark("received");
    else if (fresh) {
      const added = hers(line);
      mine.set(line.message, added);
      put(added, true);
      added.mark("received");
    }
    return;
  }
  shown.add(line.id);
  for (const bubble of line.bubbles) {
    if (shown.has(`bubble ${bubble.id}`)) continue;
    shown.add(`bubble ${bubble.id}`);
    for (const row of mine.values()) if (row.dataset.mark === "sent") row.mark("received"); // shared details leave no line
    put(theirs(bubble, line.author, { like, tap, share }), false);
    last = bubble;
    offer();
  }
}

function put(row, own) {
  const near = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 160;
  at("hello").classList.add("past");
  lines.append(row);
  if (own) {
    last = null;
    offer();
  }
  if (own || near) down();
  else at("to-end").hidden = false;
}

function down() {
  thread.scrollTop = thread.scrollHeight;
  at("to-end").hidden = true;
}

function offer() {
  const found = chips(last, like);
  const near = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 160;
  const focused = quick.contains(document.activeElement);
  quick.replaceChildren(...found.map((choice) => button(choice, tap)));
  quick.hidden = !found.length;
  if (focused) thread.focus({ preventScroll: true });
  if (near) down();
}

function writing(busy) {
  const dots = at("typing");
  if (dots.hidden === !busy) return;
  const near = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 160;
  dots.hidden = !busy;
  if (busy && near) down();
}

function notice(words, stay = 0) { // ms that nothing milder may take it away
  if (!words && Date.now() < noticed) return;
  noticed = stay ? Date.now() + stay : 0;
  at("notice").textContent = words;
  at("notice").hidden = !words;
}

// --- what she does ---------------------------------------------------------------------------------------------------

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function say(body, look_, file) {
  const id = newId();
  const row = hers({ at: Date.now(), text: "", attachments: [], ...look_ }, () => deliver());
  mine.set(id, row);
  put(row, true);
  const deliver = () => {
    row.mark("sending");
    sending = sending.then(async () => {
      try {
        const answer = await (file ? post("/files", parcel(id, file)) : post("/messages", { id, ...body }));
        if (answer.status === 429) notice("Chị nhắn hơi nhanh. Đợi một chút rồi gửi lại.", 6_000);
        if (!answer.ok) throw new Error(answer.status);
        if (file) row.show((await answer.json()).url);
        if (row.dataset.mark === "sending") row.mark("sent");
        eagerUntil = Date.now() + EAGER;
        if (!stopped) setTimeout(look, 60);
      } catch {
        row.mark("failed");
      }
    });
  };
  deliver();
}

function tap(choice) {
  // Zalo sends only what stands behind a button; Messenger sends its title too.
  const body = choice.payload ? { payload: choice.payload } : {};
  if (like !== "zalo" || !choice.payload) body.text = choice.title;
  say(body, { text: choice.title });
}

function share(contact) {
  say({ contact }, { contact: true });
}

function attach(kind) {
  const place = kind === "location" ? { latitude: 20.8449, longitude: 106.6881 } : {};
  say({ attachments: [{ kind, ...place }] }, { attachments: [{ kind }] });
}

function parcel(id, { kind, blob, name }) {
  const form = new FormData();
  form.append("id", id);
  form.append("kind", kind);
  form.append("file", blob, name);
  return form;
}

function hand(kind, blob, name) {
  if (blob.size > MOST) notice("Tệp lớn quá 10 MB, nền tảng không nhận.", 6_000);
  else say({}, { attachments: [{ kind }] }, { kind, blob, name });
}

/** A picture as a phone would send: a paper with some lines, drawn here. */
function sample() {
  const canvas = make("canvas", "", { width: 480, height: 640 });
  const ink = canvas.getContext("2d");
  ink.fillStyle = "#fbf4e4";
  ink.fillRect(0, 0, 480, 640);
  ink.fillStyle = "#7a3b56";
  ink.font = "bold 34px sans-serif";
  ink.fillText("GIẤY TỜ MẪU", 120, 90);
  ink.fillStyle = "#8d8790";
  for (let line = 0; line < 11; line += 1) ink.fillRect(60, 150 + line * 40, 360 - (line % 3) * 70, 10);
  canvas.toBlob((blob) => hand("image", blob, "anh-mau.jpg"), "image/jpeg", 0.9);
}

function submit() {
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  fit();
  say({ text: words }, { text: words });
}

function fit() {
  text.rows = 1;
  while (text.scrollHeight > text.clientHeight + 2 && text.rows < 6) text.rows += 1;
  at("compose").classList.toggle("ready", Boolean(text.value.trim()));
}

async function meet(channel) {
  try {
    const answer = await post("/person", { channel });
    if (!answer.ok) throw new Error(answer.status);
    location.reload();
  } catch {
    notice("Chưa đổi được. Chị thử lại sau một chút.");
    for (const input of document.querySelectorAll("[name=channel]")) input.checked = input.value === document.body.dataset.channel;
  }
}

// --- the drawer ------------------------------------------------------------------------------------------------------

const narrow = matchMedia("(max-width: 47.99rem)");
const drawer = at("drawer");

function pull(open) {
  const over = narrow.matches;
  drawer.classList.toggle("open", over && open);
  at("veil").classList.toggle("open", over && open);
  drawer.inert = over && !open;
  at("phone").inert = over && open;
  at("open-drawer").setAttribute("aria-expanded", String(over && open));
  if (over) {
    drawer.setAttribute("role", "dialog");
    drawer.setAttribute("aria-modal", "true");
    drawer.setAttribute("aria-label", "Trang nhắn thử");
  } else {
    for (const name of ["role", "aria-modal", "aria-label"]) drawer.removeAttribute(name);
  }
}

function close() {
  if (!drawer.classList.contains("open")) return;
  pull(false);
  at("open-drawer").focus();
}

at("open-drawer").addEventListener("click", () => {
  pull(true);
  at("close-drawer").focus();
});
at("close-drawer").addEventListener("click", close);
at("veil").addEventListener("click", close);
narrow.addEventListener("change", () => pull(false));
pull(false);

// --- hands on the page -----------------------------------------------------------------------------------------------

at("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
text.addEventListener("input", fit);
text.addEventListener("keydown", (event) => {
  // A Vietnamese keyboard that is still composing a syllable uses Enter itself.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});
at("start").addEventListener("click", () => {
  text.focus({ preventScroll: true });
  tap({ title: "Bắt đầu", payload: "start" });
});
at("to-end").addEventListener("click", down);
at("samples").addEventListener("click", (event) => {
  const words = event.target.closest("button")?.textContent;
  if (!words) return;
  close();
  say({ text: words }, { text: words });
});
at("new-person").addEventListener("click", () => meet(document.body.dataset.channel));
for (const input of document.querySelectorAll("[name=channel]")) input.addEventListener("change", () => meet(input.value));

function menu(open) {
  at("attach-menu").hidden = !open;
  at("attach").setAttribute("aria-expanded", String(open));
}
at("attach").addEventListener("click", () => menu(at("attach-menu").hidden));
at("attach-menu").addEventListener("click", (event) => {
  const chosen = event.target.closest("button")?.dataset;
  if (!chosen) return;
  menu(false);
  at("attach").focus();
  if (chosen.kind) attach(chosen.kind);
  else if ("sample" in chosen) sample();
  else {
    file.accept = chosen.file === "image" ? "image/*" : "";
    file.dataset.kind = chosen.file;
    file.value = "";
    file.click();
  }
});
file.addEventListener("change", () => {
  if (file.files[0]) hand(file.dataset.kind, file.files[0], file.files[0].name);
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".attach")) menu(false);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (!at("attach-menu").hidden) {
    menu(false);
    at("attach").focus();
  } else close();
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));

look();
