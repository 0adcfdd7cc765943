"""Builds the compiled modules; without Cython or a C compiler the install goes on in pure Python (``rsp -V`` says so).

The hot modules are compiled from the same source that runs in pure Python, with the layout of their classes in a .pxd
file beside each; where a .pyx stands beside a module, that is its twin, written by hand.  With ``RSP_PURE`` set in the
environment, nothing is compiled.
"""

import itertools
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError
from setuptools.modified import newer_group

SHARED = "rsp._cython"  # Cython's own types and functions, once instead of in every module
DIRECTIVES = {"language_level": "3", "annotation_typing": False, "show_performance_hints": False, "auto_pickle": False}
PROCESSORS = len(os.sched_getaffinity(0))
# CFLAGS replaces what Python was compiled with, of which two flags matter; an optimization level in it holds.
OPTIMIZED = [] if "-O" in os.environ.get("CFLAGS", "") else ["-O2"]
FLAGS = ["-w", "-g0", "-fwrapv", "-DNDEBUG", "-frecord-gcc-switches", *OPTIMIZED]


def compiled() -> dict[str, Path]:
    """What is compiled follows from the tree: a module with a .pxd or a .pyx beside it; its name and its source."""
    sources = {path.with_suffix(""): path for path in Path("rsp").rglob("*.py") if path.with_suffix(".pxd").exists()}
    sources |= {path.with_suffix(""): path for path in Path("rsp").rglob("*.pyx")}
    return {".".join(name.parts): sources[name] for name in sorted(sources)}


def extensions() -> list[Extension]:
    sources = compiled() | {SHARED: Path("rsp/_cython.c")}
    return [Extension(name, [str(path)], extra_compile_args=FLAGS) for name, path in sources.items()]


def manual() -> list[tuple[str, list[str]]]:
    """What ``make man`` has written, where man(1) finds it beside the installed programs."""
    return [(f"share/man/{folder.name}", list(map(str, folder.iterdir()))) for folder in Path("build/man").glob("man*")]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class BuildSources(build_py):
    """Without the files that an earlier build left and that have left the tree since."""

    def run(self) -> None:
        for path in Path(self.build_lib, "rsp").rglob("*.*"):
            if path.is_file() and path.suffix != ".so":
                path.unlink()
        super().run()


class BuildModules(build_ext):
    """Translates and compiles, and only where modules are built: the hooks for metadata and requirements need neither.

    All of the modules or none, because they are bound to each other.
    """

    def run(self) -> None:
        super().run()
        self._remove_leftovers()

    def build_extensions(self) -> None:
        try:
            self._check_compiler()
            self._translate()
            self.outdated = [each for each in self.extensions if self._is_outdated(each)]
            self.numbers = itertools.count(1)
            say(f"Compiling {len(self.outdated)} modules")
            super().build_extensions()
        except Exception as error:
            self.extensions = []
            say(f"NOT COMPILED, rsp will run in pure Python, several times slower: {error}")

    def build_extension(self, extension: Extension) -> None:
        try:
            super().build_extension(extension)
        except Exception:  # its text is the whole command
            raise CompileError(f"{extension.name} does not compile") from None
        if extension in self.outdated and (number := next(self.numbers)) % 8 == 0:
            say(f"Compiling: {number}/{len(self.outdated)}")

    def _check_compiler(self) -> None:
        """Before any work, and with a word for all modules instead of the compiler's for each."""
        include = [f"-I{folder}" for folder in self.compiler.include_dirs]
        command = [*self.compiler.compiler_so, *include, "-fsyntax-only", "-x", "c", "-"]
        try:
            subprocess.run(command, input=b"#include <Python.h>", capture_output=True, check=True)  # noqa: S603
        except FileNotFoundError:
            raise CompileError(f"there is no C compiler ({command[0]})") from None
        except subprocess.CalledProcessError:
            raise CompileError(f"{command[0]} does not find Python.h (apt-get install python3-dev)") from None

    def _translate(self) -> None:
        try:
            from Cython.Build import cythonize
        except ImportError:
            raise CompileError("Cython is not installed") from None
        say(f"Translating {len(self.extensions)} modules to C")
        translated = cythonize(
            self.extensions,
            build_dir="build/cython",
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED,
            nthreads=PROCESSORS,
            quiet=True,
        )
        sources = {each.name: each.sources for each in translated}
        for extension in self.extensions:
            extension.sources = sources[extension.name]

    def _is_outdated(self, extension: Extension) -> bool:
        return self.force or newer_group(extension.sources, self.get_ext_fullpath(extension.name))

    def _remove_leftovers(self) -> None:
        """Modules that an earlier build left and that this build did not make."""
        made = {self.get_ext_filename(extension.name) for extension in self.extensions}
        for root in {self.build_lib, "." if self.inplace else self.build_lib}:
            for path in Path(root, "rsp").rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
                if str(path.relative_to(root)) not in made:
                    path.unlink()


if __name__ == "__main__":  # Cython's processes may import this file again
    setup(
        ext_modules=[] if os.environ.get("RSP_PURE") else extensions(),
        data_files=manual(),
        cmdclass={"build_py": BuildSources, "build_ext": BuildModules},
        options={"build_ext": {"parallel": PROCESSORS}},
    )
