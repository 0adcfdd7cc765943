"""Builds the compiled modules; without Cython or a C compiler the install goes on in pure Python (``rsp -V`` says so).

The hot modules are compiled from the same source that runs in pure Python, with the layout of their classes in a .pxd
file beside each; where a .pyx stands beside a module, that is its twin, written by hand.  With ``RSP_PURE`` set in the
environment, nothing is compiled.
"""

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError
from setuptools.modified import newer_group

SHARED = "rsp._cython"  # Cython's own types and functions, once instead of in every module
DIRECTIVES = {"language_level": "3", "annotation_typing": False, "show_performance_hints": False, "auto_pickle": False}
TRANSLATED = Path("build/cython")
WHOLE, TABLE = "rsp._compiled", "rsp/_compiled.c"  # the shared object of all modules
PROCESSORS = len(os.sched_getaffinity(0))
# CFLAGS replaces what Python was compiled with, of which two flags matter; an optimization level in it holds.
OPTIMIZED = [] if "-O" in os.environ.get("CFLAGS", "") else ["-O2"]
# What the modules call of Python is called over the table of addresses, without a jump between.
FLAGS = ["-w", "-g0", "-fwrapv", "-fno-plt", "-DNDEBUG", "-frecord-gcc-switches", *OPTIMIZED]
# From 14 on, GCC refuses `a.b = c = ...` as Cython translates it: an object's type is assigned without a cast.
FLAGS += ["-Wno-error=incompatible-pointer-types"]


def compiled() -> dict[str, Path]:
    """What is compiled follows from the tree: a module with a .pxd or a .pyx beside it; its name and its source."""
    sources = {path.with_suffix(""): path for path in Path("rsp").rglob("*.py") if path.with_suffix(".pxd").exists()}
    sources |= {path.with_suffix(""): path for path in Path("rsp").rglob("*.pyx")}
    return {".".join(name.parts): sources[name] for name in sorted(sources)}


def manual() -> list[tuple[str, list[str]]]:
    """What ``make man`` has written, where man(1) finds it beside the installed programs."""
    return [(f"share/man/{folder.name}", list(map(str, folder.iterdir()))) for folder in Path("build/man").glob("man*")]


def _initialises(name: str) -> str:
    """The function that initialises a module, with a name of its own among all modules."""
    return "PyInit_" + name.replace(".", "__")


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
    """Translates and compiles each module, and links all of them to one shared object, :file:`rsp/_compiled.c`.

    All of the modules or none, because they are bound to each other.  Only where modules are built: the hooks for
    metadata and requirements need no Cython.
    """

    def run(self) -> None:
        super().run()
        self._remove_leftovers()

    def build_extensions(self) -> None:
        try:
            self._check_compiler()
            super().build_extensions()
        except Exception as error:
            self.extensions = []
            say(f"NOT COMPILED, rsp will run in pure Python, several times slower: {error}")

    def build_extension(self, extension: Extension) -> None:
        """The only one."""
        modules = self._translate()
        objects = self._compile(modules)
        path = self.get_ext_fullpath(extension.name)
        if self.force or newer_group(objects, path):
            self.compiler.link_shared_object(objects, path, build_temp=self.build_temp, target_lang="c")

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

    def _translate(self) -> dict[str, str]:
        """The C source of each module, by the module's name."""
        try:
            from Cython.Build import cythonize
        except ImportError:
            raise CompileError("Cython is not installed") from None
        sources = compiled() | {SHARED: Path("rsp/_cython.c")}
        say(f"Translating {len(sources)} modules to C")
        translated = cythonize(
            [Extension(name, [str(path)]) for name, path in sources.items()],
            build_dir=str(TRANSLATED),
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED,
            nthreads=PROCESSORS,
            quiet=True,
        )
        return {each.name: each.sources[0] for each in translated}

    def _compile(self, modules: dict[str, str]) -> list[str]:
        """The object files of the modules and of the table of them."""
        table = TRANSLATED / "modules.h"
        lines = "".join(f'MODULE("{name}", {_initialises(name)})\n' for name in modules)
        if not table.exists() or table.read_text() != lines:
            table.write_text(lines)
        sources = {name: [source] for name, source in modules.items()} | {WHOLE: [TABLE, str(table)]}
        objects = {
            name: self.compiler.object_filenames(files[:1], output_dir=self.build_temp)[0]
            for name, files in sources.items()
        }
        outdated = [name for name in sources if self.force or newer_group(sources[name], objects[name])]
        say(f"Compiling {len(outdated)} modules")
        with ThreadPoolExecutor(PROCESSORS) as threads:
            done = threads.map(self._compile_one, outdated, (sources[name][0] for name in outdated))
            for number, _ in enumerate(done, 1):
                if number % 8 == 0:
                    say(f"Compiling: {number}/{len(outdated)}")
        return list(objects.values())

    def _compile_one(self, name: str, source: str) -> None:
        macros = [] if name == WHOLE else [(f"PyInit_{name.rpartition('.')[2]}", _initialises(name))]
        try:
            self.compiler.compile(
                [source], self.build_temp, macros, include_dirs=[str(TRANSLATED)], extra_postargs=FLAGS
            )
        except Exception:  # its text is the whole command
            raise CompileError(f"{name} does not compile") from None

    def _remove_leftovers(self) -> None:
        """Modules that an earlier build left and that this build did not make."""
        made = {self.get_ext_filename(extension.name) for extension in self.extensions}
        for root in {self.build_lib, "." if self.inplace else self.build_lib}:
            for path in Path(root, "rsp").rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
                if str(path.relative_to(root)) not in made:
                    path.unlink()


if __name__ == "__main__":  # Cython's processes may import this file again
    setup(
        ext_modules=[] if os.environ.get("RSP_PURE") else [Extension(WHOLE, [TABLE])],
        data_files=manual(),
        cmdclass={"build_py": BuildSources, "build_ext": BuildModules},
    )
