"""Builds the compiled twins; without Cython or a C compiler the install goes on in pure Python (``rsp -V`` says so).

The hot modules are compiled from the same source that runs in pure Python, with the layout of their classes in a .pxd
file beside each; codec.pyx alone is written by hand.
"""

from pathlib import Path

from setuptools import Extension, setup

COMPILED = [
    "rsp.net.calls", "rsp.net.poller", "rsp.net.transport", "rsp.net.acceptor", "rsp.net.connector",
    "rsp.http1.head", "rsp.http1.codec", "rsp.http1.body", "rsp.combined", "rsp.access_log", "rsp.route",
    "rsp.balance.round_robin", "rsp.proxy.terms", "rsp.proxy.forwarded", "rsp.proxy.writing", "rsp.proxy.site",
    "rsp.proxy.plane", "rsp.proxy.pool", "rsp.proxy.upstream", "rsp.proxy.exchange", "rsp.proxy.downstream",
]  # fmt: skip


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    wanted = []
    for name in COMPILED:
        source = Path(name.replace(".", "/"))
        by_hand = source.with_suffix(".pyx")
        source = by_hand if by_hand.exists() else source.with_suffix(".py")
        wanted.append(Extension(name, [str(source)], optional=True, extra_compile_args=["-w"]))
    return cythonize(
        wanted,
        build_dir="build/cython",
        compiler_directives={"language_level": "3", "annotation_typing": False},
        quiet=True,
    )


setup(ext_modules=extensions())
