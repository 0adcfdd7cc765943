"""What a node tells about itself, every few seconds, under a key that vanishes when it no longer does."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rsp.nodes.record import NodeName, Version

USUAL: Final = 10.0  # seconds between two reports
BUSY: Final = 2.0  # while a version is tried anywhere
LASTING: Final = 30.0  # seconds after which a report is no more
LARGEST: Final = 8 << 10
_WHY: Final = 1000

State = Literal["serving", "loading", "trying", "refused", "returned"]
_Count = Annotated[int, Meta(ge=0, le=2**53)]  # of larger ones no share could be reckoned


class Report(msgspec.Struct, frozen=True):
    """``instance``  another one of the same name has another ``instance``; ``number``: of the report
    ``running``   the version that all its workers serve
    ``state``     ``loading`` and ``trying`` another one; ``refused``: it could not; ``returned``: from a trial that was
                  neither confirmed nor ended in time
    ``trial``     the trial that it takes part in, or that it has refused or returned from
    ``why``       of ``refused`` and ``returned``
    ``serial``    of the record that it knows
    ``deaths``    of workers, since the start of the node
    ``requests``  since its start, as ``errors`` (5xx), ``answers`` of peers, and the ``seconds`` that they took
    """

    node: NodeName
    instance: Annotated[str, Meta(max_length=64)]
    number: _Count
    rsp: Annotated[str, Meta(max_length=64)]
    running: Version | None
    state: State
    trial: Annotated[str, Meta(max_length=64)] = ""
    why: Annotated[str, Meta(max_length=_WHY)] = ""
    serial: _Count = 0
    requests: _Count = 0
    errors: _Count = 0
    answers: _Count = 0
    seconds: Annotated[float, Meta(ge=0, le=1e15)] = 0.0
    workers: _Count = 0
    deaths: _Count = 0
    healthy: _Count = 0


_decoder = msgspec.json.Decoder(Report)
encode = msgspec.json.Encoder().encode


def decode(name: str, data: bytes) -> Report | None:
    """``None`` for what is not a report of the node ``name``."""
    try:
        report = _decoder.decode(data[: LARGEST + 1])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return report if report.node == name else None


def cut(text: str) -> str:
    """As much of ``text`` as a report may have, on one line."""
    line = " ".join(text[: 2 * _WHY].split())[:_WHY]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
