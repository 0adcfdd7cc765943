"""Builds the compiled twins; without Cython or a C compiler the install goes on in pure Python (``rsp -V`` says so).

The hot modules are compiled from the same source that runs in pure Python, with the layout of their classes in a .pxd
file beside each; where a .pyx stands beside a module, that is its twin, written by hand.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def compiled() -> dict[str, Path]:
    """What is compiled follows from the tree: a module with a .pxd or a .pyx beside it; its name and its source."""
    sources = {path.with_suffix(""): path for path in Path("rsp").rglob("*.py") if path.with_suffix(".pxd").exists()}
    sources |= {path.with_suffix(""): path for path in Path("rsp").rglob("*.pyx")}
    return {".".join(name.parts): sources[name] for name in sorted(sources)}


not_compiled: list[str] = []  # the reasons


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        not_compiled.append("Cython is not installed")
        return []
    wanted = [
        Extension(name, [str(source)], extra_compile_args=["-w", "-O2", "-g0"]) for name, source in compiled().items()
    ]
    directives = {"language_level": "3", "annotation_typing": False, "show_performance_hints": False}
    return cythonize(wanted, build_dir="build/cython", compiler_directives=directives, quiet=True)


class BuildTwins(build_ext):
    """All of them or none: they are bound to each other."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            not_compiled.append(str(error))
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildTwins},
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
if not_compiled:  # last, where it is read
    print(f"rsp: NOT COMPILED, it will run in pure Python, several times slower: {not_compiled[0]}", file=sys.stderr)
