"""What a loop does with an exception that nothing has handled."""

import asyncio
import os

from rsp.logs import log


def unexpected(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A defect of ours: one connection is lost, one line tells of it, the worker goes on."""
    error = context.get("exception")
    if isinstance(error, OSError):
        return  # a connection that broke while it was being set up
    place = ""
    if isinstance(error, BaseException):
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        if frame is not None:
            place = f" at {os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}"  # noqa: PTH119
    log.once_a_second(f"unexpected {place}", f"Unexpected: {context.get('message')}: {error!r}{place}", log.ERROR)
