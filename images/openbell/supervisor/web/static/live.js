// Keeps the page fresh: asks every other second whether there is a newer version (mostly there is none, and the answer
// is a few bytes), and changes only what differs, so that focus, selection and opened details stay.
// Without this script the page reloads itself.

import { morph } from "./morph.js";
import { prepare } from "./tooltips.js";
import "./change.js";

const EVERY = 2000; // milliseconds
const silent = document.getElementById("silent");
let version = "";
let ahead = 0; // milliseconds by which the server's clock is ahead of ours
let asking = false;

function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  for (const [unit, size, below, smaller] of [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]]) {
    if (seconds >= size) {
      const rest = Math.floor((seconds % size) / smaller);
      return seconds < 600 || size > 60 ? `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${below}` : ""}` : `${Math.floor(seconds / size)} min`;
    }
  }
  return `${seconds} s`;
}

function count() {
  const now = Date.now() + ahead;
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = new Date(element.dataset.until) - now;
    const text = left <= 0 ? "due now" : `in ${span(left)}`;
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("soon", left < 60000);
  }
}

function compareClocks(document) {
  const when = document.querySelector("#live time");
  if (!when) return;
  const difference = new Date(when.dateTime) - Date.now();
  ahead = Math.abs(difference) < 1500 ? 0 : difference;
}

function sayWhen() {
  const when = document.querySelector("#live");
  when.className = "alive";
  when.textContent = `live · ${new Date(Date.now() + ahead).toLocaleTimeString([], { hour12: false })}`;
}

export async function refresh() {
  if (document.hidden || asking) return;
  asking = true;
  try {
    const headers = version ? { "If-None-Match": version } : {};
    const answer = await fetch(location.pathname + location.search, { headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) {
      location.reload(); // the session is over: the server shows its form
      return;
    }
    if (answer.status !== 304) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      version = answer.headers.get("ETag") || "";
      compareClocks(fresh);
      for (const id of ["top", "main"]) morph(document.getElementById(id), fresh.getElementById(id));
      document.title = fresh.title;
      prepare();
      document.dispatchEvent(new Event("openbell:drawn"));
    }
    silent.hidden = true;
    sayWhen();
  } catch {
    silent.hidden = false;
    document.getElementById("live").className = "";
  } finally {
    asking = false;
  }
  count();
}

// The browser's zone can be chosen too; only it knows which that is.
const zones = document.querySelector("#zone select");
const ours = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zones && ours && ![...zones.options].some((option) => option.value === ours)) zones.add(new Option(`this browser's: ${ours}`, ours));

// The list follows its filters at once; without scripts their button does it.
document.addEventListener("change", (event) => ["filter", "zone"].includes(event.target.form?.id) && event.target.form.requestSubmit());
document.documentElement.classList.add("scripted");
compareClocks(document);
prepare();
count();
setInterval(count, 1000);
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
document.addEventListener("openbell:changed", () => [300, 900, 1500].forEach((after) => setTimeout(refresh, after)));
