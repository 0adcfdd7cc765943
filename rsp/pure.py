"""Compiled modules or their sources: which of the two run, and why.

Where the build found a compiler, the hot modules stand compiled in one shared object (``_compiled.c``), beside their
sources.  With ``RSP_PURE`` set in the environment, Python imports the sources: to debug, or to compare.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
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


def reason(error: ImportError) -> str:
    """Why there is no shared object, as a clause; ``error``: of its import."""
    if not isinstance(error, ModuleNotFoundError):
        return f"the compiled modules cannot be loaded: {error}"
    others = sorted(path.name for path in Path(__file__).parent.glob("_compiled.*.so"))
    if others:
        return f"the compiled modules are for another Python: {', '.join(others)}"
    return "no compiled modules are installed"


def newer_source(file: str) -> str:
    """In a tree of sources: one that has changed since the shared object ``file`` was made; empty: none has."""
    here = Path(__file__).parent
    if not (here.parent / "setup.py").exists():  # installed files have the times of the installation
        return ""
    made = Path(file).stat().st_mtime
    for path in sorted(here.rglob("*.p*x*")):
        for source in (path, path.with_suffix(".py")):
            if source.exists() and source.stat().st_mtime > made:
                return str(source.relative_to(here.parent))
    return ""
