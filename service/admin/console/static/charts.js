"use strict";

// Draws the charts of the Overview with uPlot, and updates them while the page is live.
(() => {
  const HEIGHT = 180;
  const MIN_SECONDS = 60;
  const UNAUTHORIZED = 401;
  const DASHES = [[], [8, 4], [3, 3]];
  // The steps of an axis for whole numbers: 1, 2, 5, 10, 20, 50 and so on.
  const WHOLE_STEPS = [...Array(10).keys()].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
  // Formats of the time axis by the smallest step in seconds; uPlot wants nine fields in each row.
  const TIME_FORMATS = [[60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"]].map((row) => [...row, ...Array(6).fill(null), 1]);

  const container = document.getElementById("charts");
  const offline = document.getElementById("offline");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();
  let latestData = null;

  const theme = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const colour = ({ hue, strong }) => `hsl(${hue} ${strong ? 80 : 45}% ${dark.matches ? 65 : strong ? 36 : 48}%)`;

  const time = (timestamp) => new Date(timestamp * 1000).toISOString().slice(11, 19);
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const seconds = (value) => {
    if (value === 0) return "0";
    for (const [unit, size] of [["h", 3600], ["min", 60], ["s", 1], ["ms", 1e-3]]) {
      if (value >= size * 0.9995) return `${number.format(value / size)} ${unit}`;
    }
    return `${number.format(value * 1e6)} µs`;
  };
  const FORMATS = { number: (value) => number.format(value), seconds };
  const formatter = (unit) => (value) => (value === null ? "–" : FORMATS[unit](value));

  const axis = (options) => ({
    stroke: theme("soft"),
    grid: { stroke: theme("edge"), width: 1 },
    ticks: { stroke: theme("edge"), width: 1, size: 4 },
    font: "12px system-ui, sans-serif",
    ...options,
  });

  // Without a cursor the legend shows the latest values.
  const valueAt = (plot, series, index) => plot.data[series][index ?? plot.data[series].length - 1];

  const options = (figure, series) => {
    const format = formatter(figure.dataset.unit);
    const whole = "whole" in figure.dataset;
    return {
      width: figure.querySelector(".plot").clientWidth,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      tzDate: (timestamp) => uPlot.tzDate(new Date(timestamp * 1000), "Etc/UTC"),
      cursor: { sync: { key: "overview" }, drag: { x: false, y: false }, y: false },
      scales: {
        x: { range: ({ data: [times] }) => [Math.min(times[0], times.at(-1) - MIN_SECONDS), times.at(-1)] },
        y: { range: (_plot, _low, high) => [0, high > 0 ? uPlot.rangeNum(0, high, 0.1, true)[1] : 1] },
      },
      axes: [
        axis({ size: 28, space: 70, values: TIME_FORMATS }),
        axis({ size: 58, space: 24, values: (_plot, ticks) => ticks.map(format), ...(whole && { incrs: WHOLE_STEPS }) }),
      ],
      series: [
        { label: "UTC", value: (plot, _value, line, index) => time(valueAt(plot, line, index)) },
        ...series.map((one, place) => ({
          label: one.label,
          stroke: colour(one.colour),
          width: one.colour.strong ? 2 : 1.25,
          // Lines of equal values lie over each other: the dashes of the upper ones leave the lower ones visible.
          dash: DASHES[place % DASHES.length],
          points: { size: 4 },
          value: (plot, _value, line, index) => format(valueAt(plot, line, index)),
        })),
      ],
    };
  };

  const draw = (figure, times, series) => {
    const data = [times, ...series.map((line) => line.values)];
    const labels = series.map((line) => line.label).join();
    const chart = drawn.get(figure);
    if (chart?.labels === labels) {
      chart.plot.setData(data);
      return;
    }
    clear(figure);
    const plot = new uPlot(options(figure, series), data, figure.querySelector(".plot"));
    const caption = plot.root.querySelector(".u-legend").createCaption();
    caption.className = "sr";
    caption.textContent = `Values of ${figure.querySelector("figcaption").textContent}`;
    figure.classList.add("drawn");
    drawn.set(figure, { labels, plot });
  };

  const clear = (figure) => {
    drawn.get(figure)?.plot.destroy();
    drawn.delete(figure);
    figure.classList.remove("drawn");
  };

  const drawAll = ({ times, series }) => {
    for (const figure of container.querySelectorAll("figure")) {
      const lines = series[figure.id];
      // One point is not a line.
      if (times.length > 1 && lines.some((line) => line.values.some((value) => value !== null))) draw(figure, times, lines);
      else clear(figure);
    }
  };

  const update = async () => {
    try {
      // With this header the console knows that no person asked, so an open page does not keep its login alive.
      const response = await fetch(container.dataset.source, { headers: { "HX-Request": "true" } });
      if (response.status === UNAUTHORIZED) location.assign(response.headers.get("HX-Redirect"));
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      latestData = await response.json();
      drawAll(latestData);
    } catch {
      offline.hidden = false;
    }
    if (container.dataset.seconds) setTimeout(update, container.dataset.seconds * 1000);
  };

  // Colours are fixed when a chart is created, so a change of theme creates all charts again.
  dark.addEventListener("change", () => {
    [...drawn.keys()].forEach(clear);
    if (latestData) drawAll(latestData);
  });
  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      drawn.get(target.closest("figure"))?.plot.setSize({ width: contentRect.width, height: HEIGHT });
    }
  });
  container.querySelectorAll(".plot").forEach((place) => resized.observe(place));
  update();
})();
