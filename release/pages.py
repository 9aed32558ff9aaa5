"""A hook of MkDocs: what the site takes from beside docs/, and that it loads nothing from elsewhere."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")

LAST = ("Evidence", "Reference", "Project")
"""Parts of the navigation that search shows after the pages for users."""

TAGS = {
    "calibrate.md": ("overconfident",),
    "decide.md": ("human",),
    "label.md": ("active",),
    "rows.md": ("dataframe",),
    "rules.md": ("patients",),
    "watch.md": ("drift", "production", "monitoring"),
}
"""Words by which users look for a page, and that its headings lack. Search takes them as a part of these."""

LOADS = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]*"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^"'\s>]*"""
    r"""|url\(["']?(?:https?:)?//[^)]*|@import[^;]*//[^;]*"""
)
"""What makes a browser ask another host as soon as the page, or its style, is read. Plain links do not."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside docs/, with their links as they are from within it."""
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Let search find what a user asks for first, and pages outside the navigation not at all."""
    if page.file.inclusion.is_not_in_nav():
        page.meta["search"] = {"exclude": True}
    elif page.parent is not None and page.parent.title in LAST:
        page.meta["search"] = {"boost": 0.2}
    if page.file.src_uri in TAGS:
        page.meta["tags"] = [*TAGS[page.file.src_uri]]


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that loads something from another host."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in {".html", ".css"} and (found := LOADS.search(path.read_text(encoding="utf-8"))):
            raise PluginError(f"{path} loads from another host: {found[0]}")
