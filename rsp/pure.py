"""Compiled modules or their sources: which of the two run.

Where the build found a compiler, the hot modules stand compiled in one shared object (``_compiled.c``), beside their
sources.  With ``RSP_PURE`` set in the environment, Python imports the sources: to debug, or to compare.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Compiled:
    """Finds and loads the modules of ``rsp._compiled``."""

    def __init__(self, whole: ModuleType) -> None:
        self._file: str | None = whole.__file__
        self._names = frozenset(whole.names)
        self.create_module = whole.create
        self.exec_module = whole.execute

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        spec = ModuleSpec(name, self, origin=self._file)
        spec.has_location = True
        return spec


def prefer_compiled() -> None:
    """From now on, modules of rsp are imported from the shared object, if there is one."""
    try:
        from rsp import _compiled
    except ImportError:
        return
    sys.meta_path.insert(0, _Compiled(_compiled))


def in_use() -> bool:
    """Whether the data plane runs as Python source, for whatever reason."""
    from rsp.http.h1 import server as downstream

    return downstream.__file__.endswith(".py")
