"""Where things are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent


@contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that workers can read, which are not root where the tests are; pytest's own are for one user."""
    with TemporaryDirectory(prefix="rsp-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
