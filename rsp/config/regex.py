"""Regular expressions as RE2 has them: searching takes time that is linear in the text, and memory that is bounded."""

from typing import Any


def compiled(pattern: bytes, *, groups: bool, memory: int) -> Any:
    """``groups``: whether matches have them; ``memory``: most bytes of its automaton.  Raises :class:`ValueError`."""
    import re2  # only where there is one: it takes a while to load

    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    options.never_capture = not groups
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0] if error.args else error
        raise ValueError(message.decode() if isinstance(message, bytes) else message) from None
