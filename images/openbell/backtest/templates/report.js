// Draws the pictures of a report with uPlot: drag to look closer, double-click to see all again. All share one cursor.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const charts = [];
  const rounded = (value, digits) => Number(value.toFixed(digits)) + 0; // never -0
  const percent = (value) => (value == null ? "\u2013" : `${rounded(value * 100, 1).toFixed(1)} %`);
  const number = (value) => (value == null ? "\u2013" : rounded(value, 2).toLocaleString("en", { maximumFractionDigits: 2 }));
  const figure = (value) => (value == null ? "\u2013" : String(value));

  function draw(place, line, columns, format, extra = {}) {
    if (!line || line.x.length < 2) {
      place.textContent = "The span is too short for this picture.";
      place.className = "soft";
      return null;
    }
    const axis = { stroke: color("soft"), grid: { stroke: color("rule"), width: 1 }, ticks: { stroke: color("rule") } };
    const options = {
      width: place.clientWidth,
      height: extra.height || 260,
      cursor: { sync: { key: "report" }, drag: { x: true, y: false } },
      scales: { x: { time: true }, y: extra.range ? { range: (_, low, high) => extra.range(low ?? 0, high ?? 0) } : {} },
      axes: [axis, { ...axis, size: 72, values: (_, ticks) => ticks.map(format) }],
      series: [
        { value: "{YYYY}-{MM}-{DD} {HH}:{mm} UTC" },
        ...columns.map(([, label, name, more]) => ({ label, stroke: color(name), width: 1.5, value: (_, one) => format(one), ...more })),
      ],
      hooks: extra.hooks || {},
      plugins: [],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    };
    const chart = new uPlot(options, [line.x, ...columns.map(([key]) => line[key])], place);
    charts.push([chart, place]);
    return chart;
  }

  const fill = { fill: color("one") + "33" };
  const pictures = {
    equity: [[["strategy", "strategy", "one"], ["held", "held", "two", { dash: [4, 3] }]], number],
    drawdown: [[["strategy", "strategy", "one", fill], ["held", "held", "two", { dash: [4, 3] }]], percent],
    sharpe: [[["sharpe", "Sharpe ratio", "one"]], number],
    volatility: [[["volatility", "volatility", "one"]], percent],
    exposure: [[["exposure", "exposure", "one", fill]], percent],
    costs: [[["commission", "commissions", "one"], ["slippage", "slippage", "two"]], number],
    walk: [[["equity", "out of sample", "one"]], number],
  };
  // Parts of one that lie on one side of 0: the axis ends there, also where a line never leaves it.
  const ranges = {
    drawdown: (low) => [Math.min(1.05 * low, -0.01), 0],
    volatility: (_, high) => [0, Math.max(1.05 * high, 0.01)],
    exposure: (_, high) => [0, Math.max(1.05 * high, 0.01)],
  };
  for (const [name, [columns, format]] of Object.entries(pictures)) {
    const place = document.getElementById(name);
    if (place) draw(place, data[name], columns, format, { height: name === "equity" ? 320 : 200, range: ranges[name] });
  }

  // A symbol's price, with a triangle where a trade began or ended.
  const ends = (trades) =>
    trades.flatMap((trade) => {
      const side = trade.quantity > 0 ? 1 : -1;
      const entered = `${side > 0 ? "bought" : "sold short"} ${figure(Math.abs(trade.quantity))} at ${number(trade.entry)}: ${trade.entry_reason}`;
      const left = `${side > 0 ? "sold" : "bought back"} at ${number(trade.exit)}: ${trade.exit_reason}; ${number(trade.profit)} (${percent(trade.result)})`;
      return [
        { at: trade.opened, price: trade.entry, up: side > 0, color: color("one"), text: entered },
        { at: trade.closed, price: trade.exit, up: side < 0, color: color(trade.profit < 0 ? "bad" : "good"), text: left },
      ];
    });

  function marked(marks, place) {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const at = (chart, mark) => [chart.valToPos(mark.at, "x"), chart.valToPos(mark.price, "y")];
    return {
      init: [(chart) => chart.over.appendChild(tip)],
      draw: [
        (chart) => {
          const { ctx, bbox } = chart;
          const size = 5 * devicePixelRatio;
          for (const mark of marks) {
            const x = chart.valToPos(mark.at, "x", true);
            const y = chart.valToPos(mark.price, "y", true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            const tall = mark.up ? size : -size;
            ctx.beginPath();
            ctx.moveTo(x, y);
            ctx.lineTo(x - size, y + 2 * tall);
            ctx.lineTo(x + size, y + 2 * tall);
            ctx.closePath();
            ctx.fillStyle = mark.color;
            ctx.fill();
          }
        },
      ],
      setCursor: [
        (chart) => {
          const { left, top } = chart.cursor;
          let nearest = null;
          let least = 14;
          for (const mark of marks) {
            const [x, y] = at(chart, mark);
            const distance = Math.hypot(x - left, y + (mark.up ? 6 : -6) - top);
            if (distance < least) [nearest, least] = [mark, distance];
          }
          tip.hidden = nearest === null;
          if (nearest === null) return;
          tip.textContent = nearest.text;
          const [x, y] = at(chart, nearest);
          tip.style.left = `${Math.min(x, place.clientWidth / 2)}px`;
          tip.style.top = `${y + 14}px`;
        },
      ],
    };
  }

  const chosen = document.getElementById("symbol");
  if (chosen) {
    const [price, signal] = ["price", "signal"].map((name) => document.getElementById(name));
    const show = () => {
      for (const place of [price, signal]) {
        const index = charts.findIndex(([, where]) => where === place);
        if (index >= 0) charts.splice(index, 1)[0][0].destroy();
        place.textContent = "";
        place.className = "chart";
      }
      const one = data.symbols[chosen.value];
      draw(price, one.price, [["price", chosen.value, "soft"]], number, { height: 320, hooks: marked(ends(one.trades), price) });
      if (one.signal.x.length) draw(signal, one.signal, [["signal", "signal", "two"]], figure, { height: 160 });
    };
    chosen.addEventListener("change", show);
    show();
  }

  addEventListener("resize", () => {
    for (const [chart, place] of charts) chart.setSize({ width: place.clientWidth, height: chart.height });
  });
})();
