// Draws the charts of the page about money with axes and hover values. Without scripts the drawing of the server stands.

const drawn = new WeakMap(); // plot → [its points as text, the chart]

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(plot, width) {
  const zone = plot.dataset.zone;
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  return {
    width,
    height: 220,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { drag: { x: true, y: false } },
    axes: [axis, { ...axis, size: 70, values: (_, values) => values.map((value) => value.toLocaleString("en")) }],
    series: [
      { label: zone, value: "{YYYY}-{MM}-{DD} {HH}:{mm}" },
      { label: plot.dataset.label, stroke: colour("--stroke"), width: 1.5, value: (_, value) => (value == null ? "" : value.toLocaleString("en", { maximumFractionDigits: 2 })) },
    ],
  };
}

function draw(plot) {
  const points = plot.dataset.points;
  const [known, chart] = drawn.get(plot) ?? [];
  if (known === points) return;
  const pairs = points.split(" ").map((pair) => pair.split(",").map(Number));
  if (pairs.length < 2) return;
  const data = [pairs.map(([at]) => at / 1000), pairs.map(([, value]) => value)];
  if (chart) {
    chart.setData(data);
    drawn.set(plot, [points, chart]);
    return;
  }
  const room = document.createElement("div");
  plot.querySelector("svg").after(room);
  plot.classList.add("drawn");
  drawn.set(plot, [points, new uPlot(options(plot, plot.clientWidth), data, room)]);
}

function drawAll() {
  document.querySelectorAll(".plot[data-label]").forEach(draw);
}

addEventListener("resize", () => {
  for (const plot of document.querySelectorAll(".plot.drawn")) drawn.get(plot)?.[1].setSize({ width: plot.clientWidth, height: 220 });
});
document.addEventListener("openbell:drawn", drawAll);
drawAll();
