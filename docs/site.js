// Sentences that were printed are broken into lines; printed tables keep theirs.
for (const each of document.querySelectorAll(".language-text code"))
  if (!/\S {3,}\S/.test(each.textContent)) each.classList.add("sentences")

// On a narrow screen, a long name in a sentence is broken after a dot or an underscore, and not inside a word.
for (const each of document.querySelectorAll(".md-typeset p > code, .md-typeset li > code"))
  if (each.children.length === 0) {
    const parts = each.textContent.split(/(?<=[._(/])(?=\w)/)
    each.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]))
  }

// What the theme leaves out for whoever uses a keyboard or a screen reader: a name of the search, and blocks and tables
// that can be scrolled without a mouse.
const scrollable = () => {
  for (const each of document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap"))
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0
    else each.removeAttribute("tabindex")
}
document.querySelector(".md-search").setAttribute("aria-label", "Search")
addEventListener("resize", scrollable)
document$.subscribe(scrollable)

// The buttons beside a block come when it is first seen. They are no part of the page's navigation.
const buttons = () => {
  for (const each of document.querySelectorAll("nav.md-code__nav:not([role])")) each.setAttribute("role", "none")
}
new MutationObserver(buttons).observe(document.body, { childList: true, subtree: true })
