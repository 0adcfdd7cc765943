"""What rsp says of a configuration that it does not take."""

from pathlib import Path

from rsp.config.errors import ConfigError
from tests.unforked import load


def messages(text: str) -> list[str]:
    """Of ``text`` as ``s.lua`` in the current directory; none where it is right."""
    Path("s.lua").write_text(text)
    try:
        load("s.lua")
    except ConfigError as error:
        return list(error.messages)
    return []
