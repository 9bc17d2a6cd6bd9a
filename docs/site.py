"""What the site has beside docs/: README, SECURITY and CHANGELOG as pages, and links as they are on the site.

MkDocs calls `on_files` (mkdocs.org/user-guide/configuration/#hooks). Links of pages to files that are no pages lead to the files
themselves, which are copied along.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

PAGES = {"README.md": "index.md", "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
"""Pages that lie beside docs/, and what they are called on the site."""

_FILES = "files"
"""Where the other files that pages link to lie on the site."""
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside docs/, and every file that a page links to."""
    for name, page in PAGES.items():
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=content))
    linked = {
        target
        for page in files.documentation_pages()
        for target in _targets(page.content_string, _folder_of(page.src_uri))
        if target.is_file() and not target.is_relative_to(ROOT / "docs")
    }
    for target in sorted(linked - {ROOT / name for name in PAGES}):
        files.append(File.generated(config, _place(target), abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 -- MkDocs' signature
    """Let links lead to where their targets are on the site; MkDocs checks them afterwards."""
    uri = page.file.src_uri

    def led(match: re.Match[str]) -> str:
        target = _target(match[2], _folder_of(uri))
        if target is None or not target.is_file():
            return match[0]
        return f"{match[1]}{posixpath.relpath(_place(target), posixpath.dirname(uri))}{match[3]}"

    return _LINK.sub(led, markdown)


def anchor(text: str, separator: str) -> str:  # noqa: ARG001 -- the signature of slugify functions
    """Return a heading's anchor as code hosts make it, so that a link works there and here."""
    lower = unicodedata.normalize("NFC", text).strip().lower()
    return re.sub(r"[^\w\- ]", "", lower).replace(" ", "-")


def _folder_of(page: str) -> Path:
    """Return the folder that a page's links start from."""
    if page.startswith(f"{_FILES}/"):
        return (ROOT / page.removeprefix(f"{_FILES}/")).parent
    return ROOT if page in PAGES.values() else ROOT / "docs"


def _targets(text: str, folder: Path) -> set[Path]:
    """Return the files of the repository that a page links to."""
    return {target for _, link, _ in _LINK.findall(text) if (target := _target(link, folder)) is not None}


def _target(link: str, folder: Path) -> Path | None:
    """Return the file that a link means; None for an address elsewhere."""
    if ":" in link:
        return None
    target = (folder / link).resolve()
    return target if target.is_relative_to(ROOT) else None


def _place(target: Path) -> str:
    """Return where a file of the repository lies on the site."""
    name = target.relative_to(ROOT).as_posix()
    return name.removeprefix("docs/") if name.startswith("docs/") else PAGES.get(name, f"{_FILES}/{name}")
