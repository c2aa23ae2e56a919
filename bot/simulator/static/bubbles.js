// What a phone shows: bubbles, what can be tapped under them, and how far a message has come.

import { clock, hidden, icon, make } from "./dom.js";

const KINDS = {
  image: "Ảnh", audio: "Ghi âm", video: "Video", file: "Tệp", sticker: "Nhãn dán",
  location: "Vị trí", link: "Liên kết", contact: "Danh thiếp", other: "Đính kèm",
};
const MARKS = { sending: "Đang gửi", sent: "Đã gửi", received: "Đã nhận", failed: "Chưa gửi được" };
// Addresses, 1800/1900 and international numbers, numbers of ten digits, and the four short ones, as phones link them.
const LINKS = /(https?:\/\/[^\s<>"”]+[^\s<>"”.,;:!?)\]])|(^|[^\d.,/+])(1[89]00(?:[ .]?\d{2,4}){1,2}|\+\d{1,3}(?:[ .]?\d{2,4}){2,4}|0\d{1,3}(?:[ .]?\d{2,4}){2,3}|11[1345])(?![\d/]|[.,]\d)/g;

export function kindName(kind) {
  return KINDS[kind] || KINDS.other;
}

/** Text with its addresses and numbers turned into links. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(LINKS)) {
    const [whole, address, before = "", number] = found;
    parts.push(text.slice(end, found.index) + before);
    parts.push(address ? outside(address, address) : make("a", "", { href: dial(number) }, number));
    end = found.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts.filter(Boolean);
}

function outside(address, ...children) {
  const safe = /^https?:\/\//i.test(address) ? address : null;
  return make("a", "", { href: safe, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

function dial(number) {
  return `tel:${number.replace(/[^\d+]/g, "")}`;
}

/** Her own bubble. `retry` sends it again. */
export function hers(line, retry) {
  const row = make("li", "row me", { "data-at": line.at });
  row.append(make("div", "bubble" + (line.attachments?.length ? " media" : ""), {},
    hidden("Chị: "), ...media(line.attachments || [], line.contact), line.text));
  const state = make("span", "mark");
  row.append(state);
  row.show = (url) => row.querySelector(".media-card.image")?.replaceWith(picture(url));
  row.mark = (name) => {
    row.dataset.mark = name;
    state.replaceChildren(icon(name), MARKS[name], name === "failed" ? "" : ` · ${clock(line.at)}`);
    if (name === "failed") {
      const again = make("button", "again", { type: "button" }, "Gửi lại");
      again.addEventListener("click", retry);
      state.append(again);
    }
  };
  return row;
}

function media(files, contact) {
  if (contact) return [make("span", "media-card", {}, icon("contact"), "Đã gửi tên và số điện thoại")];
  return files.map(({ kind, url }) => kind === "image" && url ? picture(url) : card(kind));
}

/** A picture that lies here; the card alone when it is gone or was none. */
function picture(url) {
  const image = make("img", "picture", { src: url, alt: kindName("image") });
  image.addEventListener("error", () => image.replaceWith(card("image")));
  return image;
}

function card(kind) {
  return make("span", `media-card ${kind}`, {}, icon(["image", "audio", "sticker", "location", "contact"].includes(kind) ? kind : "other"), kindName(kind));
}

/** A bubble of the bot or of a counsellor. `tap` takes a choice, `share` a name and a phone number. */
export function theirs(bubble, author, { like, tap, share }) {
  const staff = author === "staff";
  const row = make("li", `row them${staff ? " staff" : ""}`);
  const under = buttons(bubble, like);
  const box = make("div", `bubble${under.length ? " card" : ""}`, {}, hidden(staff ? "Tư vấn viên: " : "OSSO: "));
  if (staff) box.append(make("span", "name", {}, "Tư vấn viên"));
  if (bubble.image) box.append(bubble.picture ? picture(bubble.picture) : card("image"));
  if (bubble.text) box.append(make("div", "words", {}, ...linked(bubble.text)));
  if (bubble.contact && like === "zalo") box.append(form(share));
  if (under.length) box.append(make("div", "choices", {}, ...under.map((choice) => button(choice, tap))));
  row.append(make("span", "face", { "aria-hidden": "true" }), box);
  return row;
}

/** The choices that stay under the bubble; the others are quick replies. */
function buttons(bubble, like) {
  const opens = bubble.choices.some((choice) => choice.url || choice.phone);
  return like === "zalo" || opens ? bubble.choices : [];
}

/** The choices that vanish with the next message, as Messenger shows them. */
export function chips(bubble, like) {
  if (like === "zalo" || !bubble) return [];
  const own = bubble.contact ? [{ title: "0912 345 678", payload: "" }] : [];
  return [...(buttons(bubble, like).length ? [] : bubble.choices), ...own];
}

export function button(choice, tap) {
  if (choice.url) {
    const link = outside(choice.url, choice.title, icon("open"));
    link.className = "choice";
    return link;
  }
  if (choice.phone) return make("a", "choice", { href: dial(choice.phone) }, choice.title, icon("phone"));
  const element = make("button", "choice", { type: "button" }, choice.title);
  element.addEventListener("click", () => tap(choice));
  return element;
}

function form(share) {
  const name = make("input", "", { name: "name", autocomplete: "off", maxlength: "80" });
  const phone = make("input", "", { name: "phone", type: "tel", autocomplete: "off", maxlength: "20", required: "" });
  const element = make("form", "contact", {},
    make("strong", "", {}, "Gửi thông tin liên hệ"),
    make("label", "", {}, "Tên", name), make("label", "", {}, "Số điện thoại", phone),
    make("button", "start", {}, "Gửi thông tin"));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    share({ name: name.value.trim(), phone: phone.value.trim() });
    element.querySelector("button").disabled = true;
  });
  return element;
}
