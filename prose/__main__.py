"""`python -m prose [FILE...]`: the prose linter; without files, all that this repository's users and developers read.

It prints `file:line:column: rule: what to do` for each finding and ends with exit status 1 if there are any.
"""

import sys
from pathlib import Path

from prose.checks import findings

ROOT = Path(__file__).parents[1]
READ = (
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    "rsp.lua",
    "docs/**/*.md",
    "examples/*.lua",
    "deploy/*",
    "rsp/**/*.py",
    "rsp/**/*.pyx",
    "rsp/**/*.pxi",
    "rsp/**/*.lua",
    "bench/*.py",
)
SUFFIXES = {".md", ".py", ".pyx", ".pxi", ".lua", ".yml", ".yaml", ".conf", ".service", ".socket", ""}


def main(arguments: list[str]) -> int:
    files = [Path(name) for name in arguments] or sorted(
        {path for pattern in READ for path in ROOT.glob(pattern) if path.is_file() and path.suffix in SUFFIXES}
    )
    count = 0
    for path in files:
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for line, column, rule, message in findings(path):
            print(f"{shown}:{line}:{column}: {rule}: {message}")
            count += 1
    if count:
        print(f"prose: {count} findings in {len(files)} files", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
