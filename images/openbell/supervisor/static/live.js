"use strict";
// Keeps the page fresh: fetches it again every few seconds and takes over what has changed, without touching what the
// reader has opened or selected. Without this script the page reloads itself.

const EVERY = 5000; // milliseconds
const silent = document.getElementById("silent");

function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const units = [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]];
  for (const [unit, size, below, smaller] of units) {
    if (seconds >= size) {
      const rest = Math.floor((seconds % size) / smaller);
      return Math.floor(seconds / size) + " " + unit + (rest ? " " + rest + " " + below : "");
    }
  }
  return seconds + " s";
}

function count() {
  for (const element of document.querySelectorAll("[data-until]")) {
    element.textContent = "in " + span(new Date(element.dataset.until) - Date.now());
  }
}

function take(fresh) {
  const opened = [...document.querySelectorAll("details[open]")].map((element) => element.id);
  const focused = document.activeElement ? document.activeElement.getAttribute("href") : null;
  for (const element of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(element.id);
    if (!other || (element.served === other.innerHTML && element.className === other.className)) continue;
    element.served = other.innerHTML;
    element.className = other.className;
    element.replaceChildren(...other.childNodes);
  }
  for (const id of opened) {
    const element = document.getElementById(id);
    if (element) element.open = true;
  }
  if (focused && document.activeElement === document.body) {
    const again = [...document.querySelectorAll("main a")].find((link) => link.getAttribute("href") === focused);
    if (again) again.focus();
  }
  document.title = fresh.title;
}

async function refresh() {
  const reading = String(getSelection()) !== "";
  if (document.hidden || reading) return;
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(EVERY) });
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    silent.hidden = true;
  } catch {
    silent.hidden = false;
  }
  count();
}

count();
setInterval(count, 1000);
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
