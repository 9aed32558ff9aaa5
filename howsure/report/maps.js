// Changes how much of an image is seen through the maps on it. Without it the maps let half of it through.
"use strict";
for (const maps of document.querySelectorAll(".maps")) {
  const tool = maps.querySelector(".opacity");
  if (!tool) continue;
  tool.hidden = false;
  tool.addEventListener("input", (event) => maps.style.setProperty("--over", event.target.value / 100));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelectorAll(".zoom[open]").forEach((each) => (each.open = false));
});
