"""Compiled modules or their sources: which of the two run.

The hot modules stand side by side as source and, where the build found a compiler, as extension; Python imports the
extension.  With ``RSP_PURE`` set in the environment it imports the sources: to debug, or to compare.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType


class _Sources:
    """A finder for ``rsp.*`` that does not see extensions."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None or not name.startswith("rsp."):
            return None
        specs = (FileFinder(entry, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name, target) for entry in path)
        return next((spec for spec in specs if spec is not None), None)


def install() -> None:
    """From now on, modules of rsp are imported from source."""
    sys.meta_path.insert(0, _Sources)


def in_use() -> bool:
    """Whether the data plane runs as Python source, for whatever reason."""
    from rsp.http.h1 import server as downstream

    return downstream.__file__.endswith(".py")
