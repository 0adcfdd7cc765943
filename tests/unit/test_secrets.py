"""What the master keeps for its children's TLS, with a child of its own for each reading."""

import os
import select
import time

import pytest

from rsp.ipc import channel
from rsp.ipc.channel import Keys, Stapled
from rsp.loader import load
from rsp.supervise import certificates, secrets
from rsp.supervise.certificates import Certificates
from rsp.supervise.secrets import Secrets
from rsp.system.memory import content
from rsp.tls.material import unpack
from rsp.tls.stored import unpack_overview
from tests.certificates import authority

CA = authority()
FIRST, SECOND = (CA.issue("a.example", number=number) for number in range(2))


class Master:
    """As far as secrets need one; ``told``: what workers and the control process got."""

    def __init__(self, directory):
        self.file = directory / "site.lua"
        self.file.write_text(
            'listen "127.0.0.1:443" { tls = true } certificate { "a.bundle.pem" } '
            'upstream "app" { "127.0.0.1:1" } route { to = "app" }'
        )
        FIRST.write(directory, "a")
        self.told = []
        self.poll = select.poll()
        self.secrets = Secrets(self.workers, self.control)
        self.secrets.use(self.load())

    def load(self):
        return Certificates(load(str(self.file)), str(self.file), self.poll)

    def workers(self, message, descriptors, *, trying):
        assert isinstance(message, channel.Renew)
        keyring, state = (read(descriptor) for descriptor in descriptors)
        digest = unpack(keyring).chains[0].about.digest
        self.told.append(("trying" if trying else "workers", digest, channel.tls_state(state)))

    def control(self, message, descriptors):
        overview = unpack_overview(read(descriptors[1]))
        self.told.append(("control", overview.described[0].digest, overview.staples))

    def turn(self, now):
        """A second passes; readers end."""
        self.secrets.look_after(now)
        while self.secrets.descriptors:
            for descriptor, _ in self.poll.poll(20_000):
                self.secrets.read(descriptor)


def read(descriptor):
    return content(os.dup(descriptor))


@pytest.fixture
def master(tmp_path):
    made = Master(tmp_path)
    yield made
    made.secrets.close()


def test_nothing_is_read_while_nothing_changes(master, monkeypatch):
    monkeypatch.setattr(certificates, "Renewal", None)  # a reader would be an error
    for now in range(5):
        master.turn(float(now))
    assert master.told == []


def test_a_change_is_read_once_it_has_settled(master, tmp_path):
    master.turn(0.0)
    SECOND.write(tmp_path, "a")
    master.turn(0.5)
    assert master.told == [] and master.secrets.wait(0.5) == certificates.LOOK
    master.turn(1.0)
    assert master.told == [] and master.secrets.wait(1.0) == certificates.SETTLE
    master.turn(1.25)
    assert [(to, digest) for to, digest, _ in master.told] == [
        ("workers", SECOND.fingerprint), ("control", SECOND.fingerprint),
    ]  # fmt: skip
    for now in range(2, 5):
        master.turn(float(now))
    assert len(master.told) == 2


def test_a_touched_file_with_the_same_content_is_no_news(master, tmp_path):
    (tmp_path / "a.bundle.pem").touch()
    for now in (0.0, 0.3, 1.5, 2.0):
        master.turn(now)
    assert master.told == []


def test_a_certificate_that_is_not_valid_yet_is_used_when_it_is(master, tmp_path, monkeypatch):
    early = CA.issue("a.example", begins=1)
    early.write(tmp_path, "a")
    for now in (0.0, 0.3, 1.5):
        master.turn(now)
    assert {digest for _, digest, _ in master.told} == {FIRST.fingerprint}
    due = master.secrets.certificates.stored.found.reading.due
    assert due == early.certificate.not_valid_before_utc.timestamp()
    reading = []
    monkeypatch.setattr(certificates.Certificates, "_read_again", lambda _: reading.append(1))
    for clock in (due - 1, due):
        monkeypatch.setattr(certificates.time, "time", lambda clock=clock: clock)
        master.secrets.look_after(clock)
        assert len(reading) == (clock == due)


def test_a_reading_that_failed_is_tried_once_more_when_files_change_or_time_has_passed(master, tmp_path, monkeypatch):
    reading = []

    def fork(*_):
        reading.append(1)
        raise OSError("no process")

    monkeypatch.setattr(certificates, "Renewal", fork)
    clock = 0.0
    monkeypatch.setattr(certificates.time, "monotonic", lambda: clock)
    SECOND.write(tmp_path, "a")
    for clock, count in ((0.0, 0), (0.3, 1), (1.5, 1), (9.0, 1), (10.5, 2)):
        master.secrets.look_after(clock)
        assert len(reading) == count
    FIRST.write(tmp_path, "a")
    for clock, count in ((11.6, 2), (12.0, 3)):
        master.secrets.look_after(clock)
        assert len(reading) == count


def test_the_configuration_on_trial_has_its_own(master, tmp_path):
    SECOND.write(tmp_path, "a")
    master.secrets.attempt(master.load())
    for now in (0.0, 0.3):
        master.turn(now)
    assert [to for to, _, _ in master.told] == ["workers", "control"]  # that one has been read just now
    FIRST.write(tmp_path, "a")
    for now in (2.0, 2.3):
        master.turn(now)
    assert {to for to, _, _ in master.told[2:]} == {"workers", "control", "trying"}  # in any order
    assert {digest for _, digest, _ in master.told[2:]} == {FIRST.fingerprint}
    master.secrets.commit()
    assert master.secrets.tried is None
    master.turn(4.0)
    assert len(master.told) == 5


def test_responses_are_kept_for_certificates_in_use_alone(master, monkeypatch):
    clock = 0.0
    monkeypatch.setattr(secrets.time, "monotonic", lambda: clock)
    master.secrets.learn(Stapled("0" * 64, b"stranger"))
    master.secrets.learn(Stapled(FIRST.fingerprint, b"one"))
    master.secrets.learn(Stapled(FIRST.fingerprint, b"two"))
    master.turn(0.5)
    assert master.told == []  # one message for all of a second
    master.turn(1.0)
    ((to, _, state),) = master.told
    assert to == "workers" and state.staples == {FIRST.fingerprint: b"two"}
    master.secrets.learn(Stapled(FIRST.fingerprint, b""))
    assert master.secrets.staples == {}
    monkeypatch.setattr(secrets, "_MOST_STAPLES", 10)
    master.secrets.learn(Stapled(FIRST.fingerprint, b"x" * 11))
    assert master.secrets.staples == {}


def test_a_reader_that_fails_changes_nothing_and_is_tried_again_later(master, tmp_path, monkeypatch):
    SECOND.write(tmp_path, "a")
    monkeypatch.setattr("rsp.loader._read_again", lambda *_: b"nonsense")
    for now in (0.0, 0.3):
        master.turn(now)
    assert master.told == []
    monkeypatch.undo()
    master.turn(0.6)
    assert master.told == []
    later = certificates.time.monotonic() + 60
    for now in (later, later + 0.3):
        master.turn(now)
    assert master.told[0][:2] == ("workers", SECOND.fingerprint)


def test_what_a_worker_gets_is_sealed(master):
    with master.secrets.for_worker(master.secrets.certificates) as descriptors:
        for descriptor in descriptors:
            with pytest.raises(PermissionError):
                os.pwrite(descriptor, b"x", 0)
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, 0)


def test_keys_of_issuers_go_to_all_workers_at_once_and_are_kept(master, monkeypatch):
    clock = 5.0
    monkeypatch.setattr(secrets.time, "monotonic", lambda: clock)
    master.file.write_text(
        master.file.read_text().replace(
            'route { to = "app" }', 'route { to = "app", auth = { jwt = { jwks = "https://a/b" } } }'
        )
    )
    master.secrets.attempt(master.load())
    master.secrets.learn_keys(Keys("https://stranger/", b"no"))
    assert master.secrets.wait(clock) > 0.0
    master.secrets.learn_keys(Keys("https://a/b", b"one"))
    assert master.secrets.wait(clock) == 0.0
    master.turn(clock)
    assert [(to, state.key_sets) for to, _, state in master.told] == [
        ("workers", {"https://a/b": b"one"}),
        ("trying", {"https://a/b": b"one"}),
    ]
    master.told.clear()
    master.secrets.learn_keys(Keys("https://a/b", b"one"))  # nothing new
    master.turn(clock + 0.5)
    assert master.told == []
    master.secrets.learn_keys(Keys("https://a/b", b"two"))  # soon after: a second later
    master.turn(clock + 0.5)
    assert master.told == [] and 0.0 < master.secrets.wait(clock + 0.5) <= 0.5
    master.turn(clock + 1.0)
    assert {state.key_sets["https://a/b"] for _, _, state in master.told} == {b"two"}
    tickets, since, staples, key_sets = master.secrets.inheritance()
    assert key_sets == {"https://a/b": b"two"}
    master.secrets.inherit(tickets, since, staples, key_sets | {"https://gone/": b"x"})
    assert master.secrets.key_sets == key_sets
    monkeypatch.setattr(secrets, "_MOST_KEYS", 10)
    master.secrets.learn_keys(Keys("https://a/b", b"x" * 11))
    assert master.secrets.key_sets == key_sets
    master.secrets.refuse()
    master.secrets.inherit(tickets, since, staples, key_sets)
    assert master.secrets.key_sets == {}  # no configuration names them any more


def test_a_clock_that_is_set_back_has_the_files_read_again(master, monkeypatch):
    """What was read while it was wrong may have expired only by that clock."""
    now, reading = time.time(), []
    monkeypatch.setattr(certificates.Certificates, "_read_again", lambda _: reading.append(1))
    for second, back in enumerate((0, 30, 3600)):
        monkeypatch.setattr(certificates.time, "time", lambda back=back: now - back)
        master.secrets.look_after(2.0 * second)
        assert len(reading) == (back == 3600)


def test_it_is_read_once_after_that(master, monkeypatch):
    now = time.time()
    monkeypatch.setattr(certificates.time, "time", lambda: now - 3600)
    master.turn(0.0)
    monkeypatch.setattr(certificates, "Renewal", None)  # a reader would be an error
    master.turn(2.0)
