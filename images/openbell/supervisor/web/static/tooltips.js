// Tooltips of cells and points: under the pointer, under a finger, and with the arrow keys.

const tip = document.getElementById("tip");
const selected = new WeakMap(); // element → which of its cells or points is shown

function cells(strip) {
  return [...strip.children].map((cell) => ({ text: cell.title, box: () => cell.getBoundingClientRect() }));
}

function instant(at, timeZone) {
  return new Date(at).toLocaleString("en-GB", { timeZone, dateStyle: "medium", timeStyle: "medium" }) + ` ${timeZone}`;
}

function points(plot) {
  const svg = plot.querySelector("svg");
  const found = plot.dataset.points.split(" ").map((pair) => pair.split(",").map(Number));
  const [first, last] = [found[0][0], found.at(-1)[0]];
  return found.map(([at, value]) => ({
    text: `${value.toLocaleString("en", { maximumSignificantDigits: 7 })} · ${instant(at, plot.dataset.zone)}`,
    box: () => {
      const box = svg.getBoundingClientRect();
      const x = box.left + box.width * (last === first ? 0.5 : (4 + ((at - first) / (last - first)) * 592) / 600);
      return new DOMRect(x, box.top, 0, box.height);
    },
  }));
}

const items = (element) => (element.matches(".strip") ? cells(element) : points(element));

function show(element, index) {
  const all = items(element);
  const item = all[Math.max(0, Math.min(all.length - 1, index))];
  if (!item) return;
  selected.set(element, all.indexOf(item));
  const box = item.box();
  tip.textContent = item.text;
  tip.hidden = false;
  const left = Math.min(box.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${box.bottom + 6 + scrollY}px`;
}

function hide() {
  tip.hidden = true;
}

function under(event) {
  const cell = event.target.closest(".strip[role=img] i");
  if (cell) return [cell.parentElement, [...cell.parentElement.children].indexOf(cell)];
  const plot = event.target.closest(".plot:not(.drawn)");
  if (!plot) return null;
  const found = points(plot);
  const distances = found.map((point) => Math.abs(point.box().left - event.clientX));
  return [plot, distances.indexOf(Math.min(...distances))];
}

document.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const found = event.target instanceof Element && event.target.closest(".plot:not(.drawn)") ? under(event) : null;
  if (found) show(...found);
  else if (!document.activeElement?.matches(".strip, .plot")) hide();
});
document.addEventListener("click", (event) => {
  const found = under(event);
  if (found) show(...found);
  else hide();
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches(".strip, .plot") && event.target.matches(":focus-visible")) show(event.target, Infinity);
});
document.addEventListener("focusout", hide);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
  if (!event.target.matches(".strip, .plot")) return;
  const place = selected.get(event.target) ?? 0;
  const wanted = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: Infinity }[event.key];
  if (wanted === undefined) return;
  event.preventDefault();
  show(event.target, wanted);
});

export function prepare() {
  for (const element of document.querySelectorAll(".strip[role=img], .plot:not(.drawn)")) element.tabIndex = 0;
}
