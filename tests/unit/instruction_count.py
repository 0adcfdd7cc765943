"""The instructions of a request in :mod:`tests.unit.still_worker`, beside those of the last record.

``python -m tests.unit.instruction_count`` (``make instructions``) counts, and records what it has counted.
"""

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path

from bench.callgrind import Counts
from rsp.http.h1 import codec
from tests.unit.still_worker import COUNTED, REQUESTS

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("instructions.json")
SMALL = 20  # instructions of a request; functions with less are not recorded
# How long the heap's own searches take depends on all that the process has done before.
HEAP = re.compile(r"_int_malloc|_int_free|_int_realloc|unlink_chunk|malloc_consolidate|alloc_perturb|sysmalloc")
Figures = dict[str, dict[str, float]]  # request -> function -> its own instructions, of one request


def flags() -> str | None:
    """How the compiled modules were compiled, by what the compiler has left in one of them."""
    path = Path(codec.__file__)
    if path.suffix != ".so":
        return None
    found = re.search(rb"GNU C\d+ ([\d.]+) ([^\0]*)", path.read_bytes())
    if found is None:
        return None
    levels = re.findall(r" (-O\w*)", f" {found[2].decode()}")
    return f"gcc {found[1].decode()} {levels[-1] if levels else '-O0'}"


def key() -> str | None:
    """What the figures depend on; ``None``: it is not known."""
    compiled = flags()
    if compiled is None:
        return None
    shared = "shared" if sysconfig.get_config_var("Py_ENABLE_SHARED") else "static"
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    built = " ".join([shared, *sorted(re.findall(r"--(?:enable-optimizations|with-lto)", arguments))])
    python = f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()}, {built})"
    return f"{compiled}; {python}; {' '.join(platform.libc_ver())}; {platform.machine()}"


def count(directory: Path) -> Figures:
    """``directory``: an empty one."""
    marks = directory / "marks.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(marks), str(ROOT / "bench" / "marks.c")], check=True)
    command = [
        "setarch",
        "-R",
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--callgrind-out-file={directory}/counts",
    ]
    command += [sys.executable, "-m", "tests.unit.still_worker", str(marks)]
    environment = {name: value for name, value in os.environ.items() if name in ("HOME", "PATH")}
    subprocess.run(command, cwd=ROOT, env=environment | {"PYTHONHASHSEED": "0"}, check=True, capture_output=True)
    return {request: _each(Counts(directory / f"counts.{2 * number}")) for number, request in enumerate(REQUESTS, 1)}


def _each(counts: Counts) -> dict[str, float]:
    found: Counter[str] = Counter()
    for function, instructions in counts.functions():
        if not HEAP.match(function):
            found[function] += instructions
    return {function: round(instructions / COUNTED, 1) for function, instructions in found.most_common()}


def total(figures: dict[str, float]) -> float:
    return sum(figures.values())


def recorded() -> dict[str, Figures]:
    """By key.  What is too small is in ``others``."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def record(name: str, figures: Figures) -> None:
    kept: Figures = {}
    for request, functions in figures.items():
        kept[request] = {function: each for function, each in functions.items() if each >= SMALL}
        kept[request]["others"] = round(total(functions) - total(kept[request]), 1)
    RECORD.write_text(json.dumps(recorded() | {name: kept}, indent=1, sort_keys=True) + "\n")


def grown(before: dict[str, float], after: dict[str, float], most: int = 10) -> str:
    """Which functions of ``after`` take more than before, those that grew most first; a line each."""
    more = Counter({function: each - before.get(function, 0) for function, each in after.items() if each >= SMALL})
    return "\n".join(f"{each:+9,.0f}  {function}" for function, each in more.most_common(most) if each > 0)


def main() -> int:
    name = key()
    if name is None:
        print("make instructions: the modules are not compiled, or not by gcc with this setup.py", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        figures = count(Path(directory))
    before = recorded().get(name, {})
    record(name, figures)
    print(name)
    for request, functions in figures.items():
        was = f" (recorded before: {total(before[request]):,.0f})" if request in before else ""
        print(f"{request}: {total(functions):,.0f} instructions{was}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
