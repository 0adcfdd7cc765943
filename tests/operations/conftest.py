"""As for the tests of other programs: what is missing skips a test, or fails it where all of them have to run."""

from tests.interop.conftest import program

__all__ = ["program"]
