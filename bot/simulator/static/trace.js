// The side panel: one card for each turn, newest on top, and the ticket.

import { clock, make } from "./dom.js";
import { kindName } from "./bubbles.js";

const turns = document.getElementById("turns");
const none = document.getElementById("no-turns");
const ticket = document.getElementById("ticket");

/** Adds what one line tells: her line opens a card, the bot's reasons fill the newest one. */
export function tell(line) {
  if (!line.trace) return;
  none.hidden = true;
  if (line.author === "person") return open(line);
  const newest = turns.firstElementChild;
  if (!line.trace.why.length) return newest && name(newest, line.trace.article); // the rest of what the turn said
  fill(newest && !newest.dataset.full ? newest : open(line), line.trace);
}

function open(line) {
  const newest = turns.firstElementChild;
  const said = line.author === "person" ? line.text || (line.attachments || []).map(kindName).join(", ") || "Thông tin liên hệ" : "Bot tự nhắn";
  if (newest && !newest.dataset.full && newest.dataset.decision === line.trace.decision && line.trace.decision !== "silent") {
    newest.querySelector(".heard").append(` / ${said}`);
    return newest;
  }
  const card = make("li", "turn", { "data-decision": line.trace.decision, "data-level": line.trace.level },
    make("p", "heard", {}, make("time", "", {}, clock(line.at)), said),
    make("p", "tags", {}, make("span", "decision", {}, line.trace.label),
      line.trace.level !== "NONE" && make("span", "level", {}, [line.trace.level_label, line.trace.category].filter(Boolean).join(": "))));
  if (line.trace.decision === "silent") card.append(make("ul", "why", {}, make("li", "", {}, "Tư vấn viên đang trò chuyện: bot im lặng")));
  if (line.trace.decision === "silent") card.dataset.full = "yes";
  turns.prepend(card);
  return card;
}

function fill(card, trace) {
  card.dataset.full = "yes";
  card.append(make("ul", "why", {}, ...trace.why.map((words) => make("li", "", {}, words))));
  name(card, trace.article);
}

function name(card, article) {
  const named = [...card.querySelectorAll(".article")].map((one) => one.textContent);
  if (article && !named.includes(article)) card.querySelector(".tags").after(make("p", "article", {}, article));
}

export function forget() {
  turns.replaceChildren(make("li", "turn", {}, make("p", "heard", {}, "Dữ liệu của cuộc trò chuyện trước đã được xóa.")));
  turns.firstElementChild.dataset.full = "yes";
}

/** Shows the open ticket, or that there is none. */
export function show(found) {
  const key = JSON.stringify(found);
  if (ticket.dataset.key === key) return;
  ticket.dataset.key = key;
  ticket.dataset.level = found ? found.level : "NONE";
  ticket.dataset.state = found ? found.state : "";
  if (!found) {
    ticket.replaceChildren(make("p", "quiet", {}, "Chưa có phiếu nào cho tư vấn viên."));
    return;
  }
  const ahead = found.ahead ? ` · ${found.ahead} người đợi trước` : "";
  ticket.replaceChildren(
    make("p", "", {}, make("strong", "", {}, found.label),
      found.level !== "NONE" && make("span", "level", {}, [found.level_label, found.category].filter(Boolean).join(": "))),
    make("p", "quiet", {}, `Phiếu mở lúc ${clock(found.since)}: ${found.reason}${ahead}`));
}
