"""Start and the how-to pages run as written: files, commands, and what the commands print."""

from pathlib import Path

import pytest

from tests.docs.excused import excuse
from tests.docs.pages import RUN, File, steps
from tests.docs.session import Session, needs_machine

_ALWAYS = ("start.md", "https.md", "rate-limits.md")


def _marked(page: Path) -> object:
    marks = [] if page.name in _ALWAYS else [pytest.mark.soak]
    return pytest.param(page, id=page.stem, marks=marks)


@needs_machine
@pytest.mark.parametrize("page", map(_marked, RUN))
def test_page(page, tmp_path):
    with Session(tmp_path) as session:
        for step in steps(page):
            if isinstance(step, File):
                session.write(step)
            elif not excuse(step):
                session.run(step)
