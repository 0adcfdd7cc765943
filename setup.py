"""Builds the compiled twins; without Cython or a C compiler the install goes on in pure Python (``rsp -V`` says so).

The hot modules are compiled from the same source that runs in pure Python, with the layout of their classes in a .pxd
file beside each; where a .pyx stands beside a module, that is its twin, written by hand.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

COMPILED = [
    "rsp.net.calls", "rsp.net.poller", "rsp.net.transport", "rsp.net.acceptor", "rsp.net.connector",
    "rsp.http1.head", "rsp.http1.codec", "rsp.http1.lines", "rsp.http1.body", "rsp.combined", "rsp.lock", "rsp.shared",
    "rsp.access_log", "rsp.route",
    "rsp.balance.candidate", "rsp.balance.latency", "rsp.balance.policies", "rsp.place", "rsp.proxy.terms",
    "rsp.proxy.forwarded", "rsp.proxy.writing", "rsp.proxy.site", "rsp.proxy.plane", "rsp.proxy.peer",
    "rsp.proxy.group", "rsp.proxy.upstream", "rsp.proxy.asker", "rsp.proxy.search", "rsp.proxy.exchange",
    "rsp.proxy.hedge", "rsp.proxy.hooked_request", "rsp.proxy.hooked", "rsp.proxy.tasks", "rsp.proxy.hooks",
    "rsp.proxy.outside", "rsp.proxy.call", "rsp.lua.patterns",
    "rsp.proxy.receiver", "rsp.proxy.downstream",
]  # fmt: skip


not_compiled: list[str] = []  # the reasons


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        not_compiled.append("Cython is not installed")
        return []
    wanted = []
    for name in COMPILED:
        source = Path(name.replace(".", "/"))
        by_hand = source.with_suffix(".pyx")
        source = by_hand if by_hand.exists() else source.with_suffix(".py")
        wanted.append(Extension(name, [str(source)], extra_compile_args=["-w", "-O2", "-g0"]))
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
