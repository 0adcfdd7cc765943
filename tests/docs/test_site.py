"""The documentation as a site: every page has its place, every link leads somewhere, nothing is loaded from elsewhere.

Links of the sources are checked by tests/unit/test_docs.py in every run.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    missing = {page for page in pages if not re.search(rf": {re.escape(page)}$", navigation, re.MULTILINE)}
    assert not missing, "add a line to nav in mkdocs.yml"


@pytest.mark.soak
def test_site(tmp_path):
    """``--strict``: a link or an anchor that leads nowhere ends it with a message that names page and link."""
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--quiet", "--strict", "--site-dir", tmp_path]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(list(DOCS.rglob("*.md")))
    for page in pages:
        elsewhere = re.findall(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=\"?(https?:[^\"> ]+)", page.read_text())
        assert not elsewhere, f"{page.name} loads {elsewhere}"
