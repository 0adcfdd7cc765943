"""What lines of access logs go to, and what the documentation says of them."""

import errno
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from rsp.config.log_fields import FIELDS, PREFIXES, field, kind
from rsp.config.log_settings import log_address, logs, unix_socket
from rsp.config.observe import AccessLog as Declaration
from rsp.logs.access_log import AccessLog
from rsp.logs.access_logs import AccessLogs, Unwritten
from rsp.logs.datagrams import connect, journal, syslog
from rsp.logs.outlet import Outlet
from rsp.logs.secrets import KEYS

DOCS = Path(__file__).parents[2] / "docs" / "logs.md"


class Taker:
    """Takes ``room`` batches, then no more."""

    def __init__(self, room: int, error: int = 0, widest: int = 0) -> None:
        self.room = room
        self.error = error
        self.widest = widest
        self.taken = b""
        self.waiting = 0
        self.closed = False

    def flush(self) -> bool:
        return self.room > 0

    def put(self, data: bytes) -> bool:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self.room -= 1
        self.taken += data
        return True

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("is_json", [False, True])
def test_what_is_lost_is_told_and_counted(is_json):
    lost = []
    taker = Taker(0)
    log = AccessLog("x", taker, lost.append)
    log.json = is_json
    log.flush()  # it takes no more
    line = b"x" * 1023 + b"\n"
    for _ in range(5 << 10):
        log.add(line)
    assert sum(lost) == 4097  # beyond 4 MB
    taker.room = 100
    log.flush()
    assert taker.taken.count(b"x\n") == (5 << 10) - 4097
    told = taker.taken.splitlines()[0]
    if is_json:
        read = json.loads(told)
        assert list(read) == ["time", "lost", "message"] and read["lost"] == 4097
    else:
        assert told == b"rsp: 4097 lines of the access log were lost: its reader is too slow"


def test_an_error_loses_lines_and_counts_them(capfd):
    lost = []
    log = AccessLog("x", Taker(9, errno.ENOSPC), lost.append)
    log.add(b"one\n")
    log.add(b"two\n")
    log.flush()
    assert lost == [2]
    assert "Cannot write the access log x: No space left on device" in capfd.readouterr().err


class Refusing(Taker):
    """Takes nothing."""

    def put(self, data: bytes) -> bool:
        return False


def test_the_line_that_tells_is_none_of_those_that_are_lost():
    lost = []
    taker = Refusing(0)
    log = AccessLog("x", taker, lost.append)
    for _ in range(5 << 10):
        log.add(b"x" * 1023 + b"\n")
    taker.room = 1  # it says that it takes some, and does not
    for _ in range(3):
        log.flush()
    log.close()
    assert sum(lost) == 5 << 10


def test_what_took_no_more_is_asked_again_before_the_next_tick():
    lost = []
    taker = Taker(0)
    log = AccessLog("x", taker, lost.append)
    log.flush()  # it takes no more
    log.add(b"one\n")
    taker.room = 2
    log.add(b"x" * 1000 + b"\n")
    assert taker.taken == b""
    log.add(b"x" * 1100 + b"\n")
    assert taker.taken.count(b"\n") == 3 and not lost


def test_what_is_left_at_the_end_is_lost_and_counted():
    lost = []
    taker = Taker(0)
    log = AccessLog("x", taker, lost.append)
    log.add(b"one\n")
    log.add(b"two\n")
    taker.waiting = 3
    log.close()
    assert sum(lost) == 5 and taker.closed
    log.close()
    assert sum(lost) == 5


def test_a_rotation_takes_lines_along_that_nothing_has_taken():
    lost = []
    former, other = Taker(0), Taker(9)
    log = AccessLog("x", former, lost.append)
    log.add(b"one\n")
    former.waiting = 2
    log.replace(other)
    log.flush()
    assert lost == [2] and former.closed and other.taken == b"one\n"


@pytest.mark.parametrize("room", [0, 3, 4, 7])
def test_a_full_disk_loses_no_line_twice(room):
    """What is lost and what is written are all lines; one that was begun goes on when there is room."""
    written, lost, space = [], [], [room]

    def send(data: bytes) -> int:
        count = min(len(data), space[0])
        if not count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        space[0] -= count
        written.append(data[:count])
        return count

    log = AccessLog("x", Outlet(os.open(os.devnull, os.O_WRONLY), send, whole=False), lost.append)
    log.add(b"one\n")
    log.add(b"two\n")
    log.flush()
    log.add(b"six\n")
    log.flush()
    space[0] = 1000
    log.add(b"end\n")
    log.flush()
    lines = b"".join(written).splitlines()
    assert set(lines) <= {b"one", b"two", b"six", b"end"}
    assert len(lines) + sum(lost) == 4 and lines[-1] == b"end"
    assert (len(lines) == 1) == (room == 0)


def test_configurations_share_a_log_by_its_path(tmp_path):
    def opened(name: str) -> int:
        return os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    taken = AccessLogs()
    taken.use({"a": opened("a"), "b": opened("b")})
    first, second = taken.at("a"), taken.at("a")
    assert first is second and taken.at("b") is not first
    first.add(b"before\n")
    taken.use({"a": opened("new"), "c": opened("c")})
    first.add(b"after\n")
    taken.tick(0.0, 1.0)
    assert (tmp_path / "a").read_text() == "before\n" and (tmp_path / "new").read_text() == "after\n"
    first.add(b"last\n")
    del first, second  # nothing writes to it any more
    assert (tmp_path / "new").read_text() == "after\nlast\n"
    taken.forget_files()
    assert (tmp_path / "c").read_text() == ""


def test_at_the_end_a_slow_daemon_gets_all(tmp_path):
    lost = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        logs = AccessLogs(lost.append)
        log = logs.at(f"syslog:{tmp_path}/log")
        for number in range(40):  # its queue may be shorter
            log.add(b"%d\n" % number)
        read = []
        reader = threading.Thread(target=lambda: read.extend(daemon.recv(1000) for _ in range(40)))
        reader.start()
        logs.close()
        reader.join(30)
    assert len(read) == 40 and read[-1].endswith(b" 39") and not lost


def test_what_only_looks_like_a_worker_writes_nothing(tmp_path):
    log = Unwritten().at(str(tmp_path / "a"))
    for _ in range(1000):
        log.add(b"x" * 1000)
    log.flush()
    assert not (tmp_path / "a").exists()


def test_lines_wait_for_a_daemon(tmp_path):
    path = str(tmp_path / "sock")
    sent = syslog("syslog", path)
    assert sent.put(b"one\ntwo\n") and not sent.flush()
    assert not sent.put(b"three\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        assert sent.flush() and sent.put(b"three\n")
        got = [daemon.recv(1000) for _ in range(3)]
    assert [one.rpartition(b" - ")[2] for one in got] == [b"one", b"two", b"three"]
    sent.close()


def test_a_daemon_that_takes_no_more_is_not_waited_for(tmp_path):
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sent = journal("journald", path, socket.socket(fileno=connect(path)))
        lines = b"".join(b"%d\n" % number for number in range(5000))
        assert sent.put(lines)
        assert not sent.flush()
        got = []
        while len(got) < 5000:
            got.append(daemon.recv(1000))
            sent.flush()
        assert got[-1] == b"PRIORITY=6\nSYSLOG_FACILITY=23\nSYSLOG_IDENTIFIER=rsp\nMESSAGE=4999\n"
    sent.close()


def test_a_line_that_is_too_long_for_a_message_is_cut(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        sent = syslog("syslog", daemon.getsockname())
        assert sent.put(b"x" * 100_000 + b"\nnext\n")
        assert daemon.recv(1 << 16).endswith(b" - " + b"x" * 8000)
        assert daemon.recv(1 << 16).endswith(b" - next")
        sent.close()


def test_addresses():
    assert log_address("syslog:/dev/log") == "/dev/log"
    assert log_address("syslog:192.0.2.1") == ("192.0.2.1", 514)
    assert log_address("syslog:192.0.2.1:1514") == ("192.0.2.1", 1514)
    assert log_address("syslog:[::1]:1514") == ("::1", 1514)
    assert log_address("syslog:[::1]") == ("::1", 514)
    for wrong in ("syslog:", "syslog:a.example", "syslog:192.0.2.1:", "syslog:192.0.2.1:0", "syslog:192.0.2.1:70000"):
        with pytest.raises(ValueError):
            log_address(wrong)
    assert unix_socket("journald") == "/run/systemd/journal/socket" and unix_socket("journald:/x") == "/x"
    assert unix_socket("syslog:/x") == "/x" and unix_socket("syslog:192.0.2.1") is None and unix_socket("/x") is None


def test_what_a_setting_stands_for():
    assert logs("off") == () and logs(("off", Declaration(path="off"))) == ()
    assert [log.path for log in logs(("a", Declaration(path="b", format="json")))] == ["a", "b"]


def test_names_of_fields():
    assert kind("status") == "number" and kind("request.header.X-A") == kind("log.a-b.c") == "text"
    for wrong, said in (
        ("statsu", 'there is no field "statsu" (did you mean "status"?)'),
        ("request.header.", '"request.header." requires a name after it: request.header.user-agent'),
        ("query.a b", '"query.a b" is not a valid field name'),
        ("request.header." + "a" * 201, "..."),
        ("", 'there is no field ""'),
    ):
        with pytest.raises(ValueError) as caught:
            field(wrong)
        assert said in str(caught.value)


def test_the_documentation_has_all_fields_and_keys():
    text = DOCS.read_text()
    for name, known in FIELDS.items():
        assert f"| `{name}` | {known.help} |" in text
    for name, known in PREFIXES.items():
        assert f"| `{name}NAME` | {known.help} |" in text
    assert ", ".join(f"`{key}`" for key in KEYS) + "." in text.replace("\n", " ")
