"""Builds the compiled twins; without Cython or a C compiler the install goes on in pure Python (``rsp -V`` says so).

The hot modules are compiled from the same source that runs in pure Python, with the layout of their classes in a .pxd
file beside each; codec.pyx alone is written by hand.
"""

from setuptools import Extension, setup

COMPILED = ["rsp.http1.head", "rsp.http1.codec"]


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    sources = {"rsp.http1.codec": "rsp/http1/codec.pyx"}
    wanted = [
        Extension(name, [sources.get(name, name.replace(".", "/") + ".py")], optional=True, extra_compile_args=["-O2"])
        for name in COMPILED
    ]
    return cythonize(wanted, build_dir="build/cython", compiler_directives={"language_level": "3"}, quiet=True)


setup(ext_modules=extensions())
