"""The loader, and the check of what an import has made, in the test's own process.

For files with many small configurations: to fork pytest costs several times what an evaluation does.  That both run in
a process of their own is tested in unit/test_config.py, test_forked.py and test_import_lua.py, and with a running rsp.
"""

from collections.abc import Callable
from unittest.mock import patch

from rsp import loader
from rsp.importing import check
from rsp.importing.lua import Written
from rsp.importing.site import Site


class _Unforked:
    """What :class:`rsp.system.forked.Forked` is, once its work is done."""

    descriptor = -1
    deadline = 0.0
    pid = 0

    def __init__(self, work: Callable[[], bytes], seconds: float) -> None:
        self._data = work()

    def read(self) -> bool:
        return True

    def wait(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def result(self) -> bytes:
        return self._data


def load(path: str) -> loader.Loaded:
    """Without keys.  Raises :class:`ConfigError`."""
    with patch.object(loader, "Forked", _Unforked):
        loaded = loader.load(path)
    loaded.stored.close()
    return loaded


def checked(site: Site, directory: str) -> Written:
    with patch.object(check, "Forked", _Unforked):
        return check.checked(site, directory)
