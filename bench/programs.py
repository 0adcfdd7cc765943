"""The programs in C beside this file: ``bench/NAME.c`` becomes ``bench/build/NAME``."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def compiled(name: str) -> str:
    """The path of the program ``name``, compiled when its source is newer.  Needs cc and OpenSSL's headers."""
    sources, binary = (HERE / f"{name}.c", HERE / "tls.h"), HERE / "build" / name
    if not binary.exists() or binary.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        binary.parent.mkdir(exist_ok=True)
        command = ["cc", "-O2", "-D_GNU_SOURCE", "-o", str(binary), str(sources[0]), "-lssl", "-lcrypto", "-pthread"]
        subprocess.run(command, check=True)
    return str(binary)
