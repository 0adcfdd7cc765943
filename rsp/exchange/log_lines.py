"""The two formats that most access logs have: a line is made of what an exchange knows anyway."""

import time
from collections.abc import Callable
from typing import Any

from rsp.exchange.request_log import RequestLog
from rsp.exchange.subject import Subject
from rsp.logs.access_log import AccessLog
from rsp.logs.combined import combined
from rsp.logs.json_line import json_line, text
from rsp.logs.secrets import Secrets

More = Callable[[Subject, float], bytes]


def default_line(exchange: Subject, ended: float) -> bytes:
    """What a log in JSON says of ``exchange``, which is over since ``ended``, by the clock of its context."""
    head, responder = exchange.head, exchange.responder
    wall = time.time() - (exchange.context.clock() - ended)
    return json_line(
        wall, exchange.client, head.method, exchange.config.secrets.target(head.target), head.version, exchange.status,
        exchange.sent, ended - exchange.started, responder.peers_tried, responder.seconds,
        text(exchange.route.name.encode()), exchange.request_id,
    )  # fmt: skip


class CombinedLog(RequestLog):
    """As ``logs/combined.py`` has it."""

    __slots__ = ("_log", "_secrets")

    def __init__(self, log: AccessLog, secrets: Secrets) -> None:
        self._log = log
        self._secrets = secrets

    def write(self, exchange: Any, ended: float) -> None:
        subject: Subject = exchange  # typed in the compiled build
        log, head, responder = self._log, subject.head, subject.responder
        secrets = self._secrets
        target, referer = secrets.target(head.target), secrets.url(head.referer)
        log.add(combined(
            subject.client, log.stamp, head.method, target, head.version, subject.status, subject.sent, referer,
            head.user_agent, responder.peers_tried, ended - subject.started, responder.seconds, subject.request_id,
        ))  # fmt: skip


class JsonLog(RequestLog):
    """As ``logs/json_line.py`` has it.  ``route``: its name as the inside of a string of JSON.

    ``more(exchange, ended)``: further fields, with the end of the line; ``slow`` writes the lines that have to be cut.
    """

    __slots__ = ("_log", "_more", "_route", "_secrets", "_slow")

    def __init__(self, log: AccessLog, secrets: Secrets, route: bytes, more: More | None, slow: RequestLog) -> None:
        log.json = True
        self._log = log
        self._secrets = secrets
        self._route = route
        self._more = more
        self._slow = slow

    def write(self, exchange: Any, ended: float) -> None:
        subject: Subject = exchange
        log, target = self._log, self._secrets.target(subject.head.target)
        line = self._line(subject, ended, target)
        if self._more is not None:
            line = line[:-2] + self._more(subject, ended)
        if log.widest and len(line) > log.widest:
            self._slow.write(subject, ended)
        else:
            log.add(line)

    def _line(self, exchange: Subject, ended: float, target: bytes) -> bytes:
        head, responder = exchange.head, exchange.responder
        return json_line(
            ended + self._log.offset, exchange.client, head.method, target, head.version, exchange.status,
            exchange.sent, ended - exchange.started, responder.peers_tried, responder.seconds, self._route,
            exchange.request_id,
        )  # fmt: skip
