// Small comforts of every page. All pages work without it.
"use strict";

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-print], [data-copy]");
  if (target) {
    if (target.hasAttribute("data-print")) {
      window.print();
    } else {
      const source = document.getElementById(target.dataset.copy);
      navigator.clipboard.writeText(source.innerText.trim()).then(() => {
        target.textContent = target.dataset.done;
      });
    }
  }
  // An open menu closes when one clicks beside it.
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.removeAttribute("open");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.removeAttribute("open");
    menu.querySelector("summary").focus();
  }
});

// A form that was sent is not sent twice by an impatient second click.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "1";
  setTimeout(() => delete event.target.dataset.sent, 4000);
});

// The wait before the next try counts down by itself.
for (const clock of document.querySelectorAll("[data-countdown]")) {
  const tick = () => {
    const left = Number(clock.textContent) - 1;
    clock.textContent = String(Math.max(0, left));
    if (left > 0) setTimeout(tick, 1000);
  };
  setTimeout(tick, 1000);
}

// On a narrow screen the page she is on may stand beyond the edge of the row of pages.
document.querySelector(".places [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
