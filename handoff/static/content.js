// The editor's comforts: checks while typing, a preview that follows, counters, more rows. It works without.
"use strict";

(() => {
  // A line of a finding leads to that line of the raw file.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    const raw = document.getElementById("raw");
    if (!link || !raw) return;
    event.preventDefault();
    const lines = raw.value.split("\n");
    const number = Number(link.dataset.line);
    const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
    raw.focus();
    raw.setSelectionRange(start, start + (lines[number - 1] || "").length);
    raw.scrollTop = raw.scrollHeight * ((number - 6) / lines.length);
  });

  const editor = document.querySelector("form.editor");
  if (!editor) return;
  const list = document.getElementById("findings");
  const views = document.getElementById("views");
  const rewords = document.getElementById("rewords");
  const names = { error: "red", warning: "amber", note: "" };

  const make = (tag, kind, text) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // --- counters ----------------------------------------------------------------------------------------------------
  const count = (field) => {
    if (!field.dataset.most && !field.hasAttribute("data-lines")) return;
    const box = field.closest(".field");
    let told = box.querySelector(".counted");
    if (!told) {
      told = make("span", "counted");
      told.setAttribute("aria-hidden", "true");
      field.after(told);
    }
    if (field.dataset.most) {
      const most = Number(field.dataset.most);
      told.textContent = field.value ? `${[...field.value.trim()].length}/${most}` : "";
      told.classList.toggle("over", [...field.value.trim()].length > most);
    } else {
      const lines = field.value.split("\n").filter((line) => line.trim()).length;
      told.textContent = lines ? String(lines) : "";
    }
  };
  editor.querySelectorAll("[data-most], [data-lines]").forEach(count);

  // --- more rows ---------------------------------------------------------------------------------------------------
  for (const button of editor.querySelectorAll("[data-more]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const last = button.previousElementSibling;
      const row = last.cloneNode(true);
      for (const field of row.querySelectorAll("input, textarea")) field.value = "";
      for (const told of row.querySelectorAll(".counted")) told.remove();
      last.after(row);
      row.querySelector("input").focus();
    });
  }

  // --- checks while typing: the newest answer wins -----------------------------------------------------------------
  let asked = 0;
  let wait = 0;
  let dirty = false;
  const told = (finding) => {
    const item = make("li", `finding ${finding.severity}`);
    item.append(make("span", `badge ${names[finding.severity]}`, finding.name));
    const body = make("span");
    const line = make(document.getElementById("raw") ? "a" : "span", "small nowrap", editor.dataset.line.replace("{n}", finding.line));
    if (line.tagName === "A") { line.href = "#raw"; line.dataset.line = finding.line; } else line.classList.add("soft");
    body.append(line, ` ${finding.text}`);
    item.append(body);
    return item;
  };
  const show = (answer) => {
    list.replaceChildren(...(answer.findings.length ? answer.findings.map(told) : [make("li", "soft", editor.dataset.fine)]));
    for (const place of editor.querySelectorAll(".at-field")) {
      place.replaceChildren(...answer.findings
        .filter((one) => one.field === place.dataset.for && one.severity !== "note")
        .map((one) => make("li", `finding ${one.severity}`, (one.item ? `${editor.dataset.item.replace("{n}", one.item)}: ` : "") + one.text)));
    }
    rewords.hidden = !answer.rewords;
    if (!answer.views.length) return;
    views.replaceChildren(...answer.views.map((view) => {
      const box = make("section", "phone");
      box.setAttribute("aria-label", view.name);
      const top = make("h3", `phone-top ${view.channel}`, `${view.name} `);
      top.append(make("span", "small", view.most));
      const body = make("div", "phone-body");
      for (const one of view.bubbles) {
        const bubble = make("div", "bubble");
        bubble.append(make("p", "said", one.text));
        if (one.choices.length) {
          const taps = make("ul", "taps");
          taps.append(...one.choices.map((title) => make("li", "", title)));
          bubble.append(taps);
        }
        bubble.append(make("span", "length small soft", one.length));
        body.append(bubble);
      }
      box.append(top, body);
      return box;
    }));
  };
  const check = async () => {
    const number = ++asked;
    try {
      const answer = await fetch(editor.dataset.check, {
        method: "POST",
        body: new FormData(editor),
        headers: { "X-Form-Token": document.querySelector('meta[name="form-token"]').content },
      });
      if (number !== asked) return;
      if (answer.ok) show(await answer.json());
      else if (answer.status === 409) list.replaceChildren(make("li", "finding error", await answer.text()));
      else list.replaceChildren(make("li", "finding error", editor.dataset.lost));
    } catch {
      if (number === asked) list.replaceChildren(make("li", "finding error", editor.dataset.lost));
    }
  };
  editor.addEventListener("input", (event) => {
    dirty = true;
    count(event.target);
    clearTimeout(wait);
    wait = setTimeout(check, 700);
  });

  // --- not lost by a careless click --------------------------------------------------------------------------------
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  editor.addEventListener("submit", () => { dirty = false; });
})();
