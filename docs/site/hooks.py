"""What mkdocs does not know of this repository: files beside ``docs/`` that pages link to become pages of the site.

Links stay as they are in the sources, where a forge follows them: ``../examples/tls.lua`` is the page
``examples/tls.lua.md`` here, with the file as a block of code.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")
_PAGES = {"CHANGELOG.md": "changelog.md", "README.md": "index.md"}
_LANGUAGES = {".lua": "lua", ".py": "python", ".yml": "yaml", ".yaml": "yaml", ".json": "json"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The changelog, and every file or folder outside of ``docs/`` that a page links to."""
    changes = File.generated(config, "changelog.md", content=(_ROOT / "CHANGELOG.md").read_text())
    pages = [*(file for file in files if file.is_documentation_page()), changes]
    linked = {
        _repository_path(page.src_uri, target) for page in pages for target, _ in _LINK.findall(page.content_string)
    }
    files.append(changes)
    for name in sorted(linked - _PAGES.keys()):
        path = _ROOT / name
        if not name.startswith(("docs/", "../")) and path.exists():
            shown = File.generated(config, _page_of(name), content=_shown(name), inclusion=InclusionLevel.NOT_IN_NAV)
            files.append(shown)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text with links to pages of the site in the place of those that lead out of ``docs/``."""
    here = page.file.src_uri

    def link(match: re.Match[str]) -> str:
        target = _page_of(_repository_path(here, match[1]))
        return f"]({posixpath.relpath(target, posixpath.dirname(here) or '.')}{match[2] or ''})"

    return _LINK.sub(link, markdown)


def _repository_path(page: str, target: str) -> str:
    """Of what the page of the site links to."""
    folder = "" if page == "changelog.md" else posixpath.join("docs", posixpath.dirname(page))
    return posixpath.normpath(posixpath.join(folder, target))


def _page_of(name: str) -> str:
    """The page of the site for a path in the repository."""
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return _PAGES.get(name, f"{name}/index.md" if (_ROOT / name).is_dir() else f"{name}.md")


def _shown(name: str) -> str:
    path = _ROOT / name
    if path.is_dir():
        return f"# {name}/\n\n" + "".join(f"- `{each.name}`\n" for each in sorted(path.iterdir()) if each.is_file())
    return f"# {name}\n\n```{_LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}```\n"
