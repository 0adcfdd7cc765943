"""Every block of Lua in the documentation loads, as fragments.py completes it."""

import pytest

from tests.docs.fragments import mistakes
from tests.docs.pages import PAGES, ROOT, blocks

#: A word that a page misspells on purpose, to show how rsp refuses it.
_REFUSED = "wieght"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_load(page, tmp_path):
    for number, block in enumerate(block for block in blocks(page) if block.language == "lua"):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = mistakes(block.text, folder)
        assert bool(found) == (_REFUSED in block.text), f"{block.place}: {found}"
