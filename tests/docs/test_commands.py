"""Pages run as written: files, commands, and what the commands print."""

from pathlib import Path

import pytest

from tests.docs.excused import excuse
from tests.docs.pages import PAGES, File, steps
from tests.docs.session import Session, needs_machine
from tests.docs.stages import STAGED, WHOLE, stage

#: On the others commands are checked alone (test_checked_commands.py): they are about machines that are not here.
_RUN = [page for page in PAGES if page.parent.name in ("howto", "coming-from") or page.name in (*WHOLE, *STAGED)]
#: The others take half a minute of processor time together.
_ALWAYS = ("README.md", "start.md", "https.md")


def _marked(page: Path) -> object:
    marks = [] if page.name in _ALWAYS else [pytest.mark.soak]
    return pytest.param(page, id=page.stem, marks=marks)


@needs_machine
@pytest.mark.parametrize("page", [_marked(page) for page in _RUN])
def test_page(page, tmp_path):
    with Session(tmp_path) as session:
        for step in [*stage(page.name), *steps(page)]:
            if isinstance(step, File):
                session.write(step)
            elif not excuse(step):
                session.run(step)
