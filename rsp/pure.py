"""Compiled modules or their sources: which of the two run.

Where the build found a compiler, the hot modules stand compiled in one shared object (``_compiled.c``), beside their
sources.  With ``RSP_PURE`` set in the environment, Python imports the sources: to debug, or to compare.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import ModuleType

Create = Callable[[ModuleSpec], ModuleType]


class _Loader(ExtensionFileLoader):
    """Of one of the modules in the shared object."""

    def __init__(self, name: str, path: str, create: Create) -> None:
        super().__init__(name, path)
        self._create = create

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._create(spec)


class Finder:
    """Of these modules, by their ``names``, in ``file``."""

    def __init__(self, file: str, names: Sequence[str], create: Create) -> None:
        self._file = file
        self._names = frozenset(names)
        self._create = create

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names:
            return None
        spec = ModuleSpec(name, _Loader(name, self._file, self._create), origin=self._file)
        spec.has_location = True
        return spec


def import_from(file: str, names: Sequence[str], create: Create) -> None:
    """From now on, modules with these names come from a shared object; ``create`` is its function for that."""
    sys.meta_path.insert(0, Finder(file, names, create))


def in_use() -> bool:
    """Whether the data plane runs as Python source, for whatever reason."""
    from rsp.http.h1 import server as downstream

    return downstream.__file__.endswith(".py")
