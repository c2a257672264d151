"use strict";

// Say so when the page is no longer updated.
const offline = document.getElementById("offline");
for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.body.addEventListener(failure, () => { offline.hidden = false; });
}
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) offline.hidden = true;
});

// Times are shown as the distance from now, which changes while a page is open. A tap or click shows the time itself, as
// pointing at it does. The units are those of filters.py.
const UNITS = [
  [31536000, "year", "years"], [2592000, "month", "months"], [86400, "day", "days"], [3600, "h", "h"], [60, "min", "min"], [1, "s", "s"],
];
const distance = (milliseconds) => {
  const seconds = Math.abs(milliseconds) / 1000;
  if (seconds < 2) return "just now";
  const [size, one, many] = UNITS.find(([size]) => seconds >= size);
  const count = Math.floor(seconds / size);
  const text = `${count} ${count === 1 ? one : many}`;
  return milliseconds < 0 ? `in ${text}` : `${text} ago`;
};
setInterval(() => {
  for (const time of document.querySelectorAll("time[title]:not([data-exact])")) {
    time.textContent = distance(Date.now() - Date.parse(time.dateTime));
  }
}, 5000);
document.addEventListener("click", (event) => {
  const time = event.target.closest("time[title]");
  if (!time) return;
  time.toggleAttribute("data-exact");
  time.textContent = time.hasAttribute("data-exact") ? time.title : distance(Date.now() - Date.parse(time.dateTime));
});

// Where the tabs scroll sideways, the current one is in view.
document.querySelector(".bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Browsers offer the clipboard only on localhost and over TLS.
for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  });
  field.addEventListener("focus", () => field.select());
}

// One confirmation is open at a time. Escape closes it.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("details.confirm[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
document.addEventListener("toggle", (event) => {
  if (!event.target.matches("details.confirm[open]")) return;
  for (const other of document.querySelectorAll("details.confirm[open]")) {
    if (other !== event.target) other.open = false;
  }
}, true);
