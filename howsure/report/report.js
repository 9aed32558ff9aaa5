// Filters, searches and sorts the list of rows. Without it the list stands as it is, the most undecided first,
// and its filters by verdict work all the same.
"use strict";
for (const list of document.querySelectorAll(".list")) {
  const body = list.querySelector("tbody"), rows = [...body.rows], heads = [...list.querySelectorAll("thead th")];
  const tools = list.querySelector(".tools"), select = tools.querySelector("select");
  const search = tools.querySelector("input"), status = tools.querySelector("[role=status]");
  const place = (name) => heads.findIndex((head) => head.textContent.trim() === name);
  const text = (row, column) => row.cells[column].textContent.trim();
  const says = place("Says"), or = place("Or");

  const names = new Set(rows.flatMap((row) => [text(row, says), text(row, or)]));
  const inOrder = (a, b) => a.localeCompare(b, undefined, { numeric: true });
  select.append(new Option("any", ""), ...[...names].sort(inOrder).map((name) => new Option(name, name)));
  tools.hidden = false;

  const show = () => {
    const wanted = search.value.trim().toLowerCase(), chosen = list.querySelector("[name=list]:checked").value;
    let shown = 0;
    for (const row of rows) {
      const named = !select.value || [text(row, says), text(row, or)].includes(select.value);
      row.hidden = !named || !row.textContent.toLowerCase().includes(wanted);
      shown += !row.hidden && (chosen === "all" || row.classList.contains("in-" + chosen));
    }
    status.textContent = shown.toLocaleString("en") + " shown";
  };
  list.addEventListener("input", show);
  show();

  heads.forEach((head, column) => {
    if (!head.textContent.trim() || head.querySelector(".unseen")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => text(row, column).replace(/^[<>] /, "");
      const apart = (a, b) => parseFloat(a) - parseFloat(b) || inOrder(a, b);
      rows.sort((a, b) => (down ? -1 : 1) * apart(key(a), key(b)));
      body.append(...rows);
    });
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelectorAll(".zoom[open]").forEach((each) => (each.open = false));
});
const open = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", open);
open();
