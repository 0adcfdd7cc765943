"""What all files of this folder raise where routes of rsp cannot say something, and how they write a text."""

import re


class Inexpressible(Exception):
    """No route of rsp can say this; the message says why, as half a sentence."""


def escaped(text: str) -> str:
    """As a regular expression, without the backslash before "-" that RE2 does not need."""
    return re.escape(text).replace(r"\-", "-")
