"""What ``rsp -t``, a start and a reload say of certificates and keys."""

import re
import resource
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.certificates import DAY, Issued, authority, now
from tests.harness import Rsp, is_root, run_rsp, wait_until

LOWER = authority().intermediate("Lower")
SITE = LOWER.issue("example.com")
OLD = LOWER.issue("old.example", begins=-9, ends=-1)
PLAIN = 'listen "127.0.0.2:0"\nupstream "app" { "127.0.0.1:1" }\n'
SECURE = PLAIN + 'listen "127.0.0.1:{port}" { tls = true }\n'  # line 4 is the first behind it
ONE = SECURE + 'certificate { "site.pem", key = "site.key" }\n'


@pytest.fixture
def place(tmp_path):
    SITE.write(tmp_path, "site")
    OLD.write(tmp_path, "old")
    authority().write(tmp_path / "ca.pem")
    return tmp_path


def checked(place: Path, text: str, option: str = "-t") -> subprocess.CompletedProcess:
    done = run_rsp(place, option, "site.lua", text=text.replace("{port}", "0"))
    lacking = r".*: warning: in pure Python, sessions resume.*\n|.*Running in pure Python.*\n"
    done.stderr = re.sub(lacking, "", done.stderr)
    return done


def test_what_is_good_is_passed_without_a_word(place):
    done = checked(place, ONE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "rsp: the configuration file site.lua is ok\n")


def test_what_pure_python_cannot_do_is_warned_of(place, monkeypatch):
    monkeypatch.setenv("RSP_PURE", "1")
    warning = "warning: in pure Python, {}, and no OCSP responses are stapled"
    done = run_rsp(place, "-t", "site.lua", text=ONE.replace("{port}", "0"))
    assert warning.format("sessions resume only at the worker that issued the ticket") in done.stderr
    done = run_rsp(place, "-t", "site.lua", text=ONE.replace("{port}", "0") + "tls = { session_tickets = false }")
    assert warning.format("clients with TLS 1.2 resume sessions despite session_tickets = false") in done.stderr
    assert "pure Python" not in run_rsp(place, "-t", "site.lua", text=PLAIN).stderr
    assert ", without shared tickets and stapling" in run_rsp(place, "-V").stdout


def test_what_is_doubtful_is_a_warning_with_its_line_and_exit_status_0(place):
    text = ONE + 'certificate "old.bundle.pem"\nroute { host = "other.example", to = "app" }\nroute { to = "app" }\n'
    done = checked(place, text)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f'rsp: site.lua:5: warning: certificate "old.bundle.pem": expired on {now() - DAY:%Y-%m-%d}',
        'rsp: site.lua:6: warning: route: no certificate is for other.example; clients that ask for it get "site.pem"',
        "rsp: the configuration file site.lua is ok",
    ]


def test_certificates_without_a_listener_are_a_warning(place):
    done = checked(place, PLAIN + 'certificate "site.bundle.pem"')
    assert done.returncode == 0
    assert (
        'rsp: site.lua:3: warning: certificate "site.bundle.pem": a certificate is declared, but no listener'
        in done.stderr
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECURE, 'site.lua:3: listen "127.0.0.1:0": tls = true needs a certificate'),
        (SECURE + 'certificate "nope.pem"', 'site.lua:4: certificate "nope.pem": there is no such file'),
        (SECURE + 'certificate { "site.pem",\n key = "other.key" }', 'site.lua:4: certificate "site.pem": the key does not fit'),
        (ONE + 'route { to = "app", client_ca = "site.key" }', 'site.lua:5: route: client_ca "site.key": there is no certificate in it'),
    ],
)  # fmt: skip
def test_what_is_bad_is_an_error_with_its_line_and_exit_status_1(place, text, expected):
    (place / "other.key").write_bytes(Issued(SITE.certificate, authority("x").private).key())
    done = checked(place, text)
    assert done.returncode == 1
    assert f"Error parsing config file: {expected}" in done.stderr
    assert "is ok" not in done.stderr


def test_the_effective_configuration_has_names_of_files_and_no_keys(place):
    done = checked(place, ONE + 'tls = { min = "1.3" }\nhsts = "30d"\nroute { to = "app", client_ca = "ca.pem" }', "-T")
    assert done.returncode == 0
    assert 'certificate { "site.pem", key = "site.key" }' in done.stdout
    key = SITE.key().splitlines()[1].decode()
    assert key not in done.stdout + done.stderr
    again = checked(place, done.stdout, "-T")
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_start_with_an_expired_certificate_warns_and_serves(place):
    with Rsp(place, SECURE + 'certificate "old.bundle.pem"') as rsp:
        assert f'site.lua:4: warning: certificate "old.bundle.pem": expired on {now() - DAY:%Y-%m-%d}' in rsp.log


def test_a_start_without_the_key_is_refused(place):
    (place / "site.key").unlink()
    done = run_rsp(place, "site.lua", text=ONE.replace("{port}", "0"))
    assert done.returncode == 1
    assert 'site.lua:4: certificate "site.pem": key "site.key": there is no such file' in done.stderr


def test_a_reload_with_a_bad_certificate_is_refused_and_signals_need_no_keys(place):
    with Rsp(place, ONE) as rsp:
        (place / "site.key").write_text("not a key")
        rsp.signal(1)
        wait_until(lambda: "Reload refused" in rsp.log, "the refusal")
        assert 'site.lua:4: certificate "site.pem": key "site.key": it is not PEM' in rsp.log
        done = run_rsp(place, "-s", "stop", "site.lua")
        assert "rsp: sent stop to the master" in done.stderr
        wait_until(lambda: rsp.process.poll() is not None, "the end")


@pytest.fixture
def cores():
    """Processes may leave core dumps, as far as this one may allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.mark.parametrize(("text", "keys"), [(ONE, True), (PLAIN, False)])
def test_no_process_with_keys_leaves_a_core(place, cores, text, keys):
    """But it can be looked at by its user, as before; and without keys cores are left as they were."""
    with Rsp(place, text, workers=2) as rsp:
        master = psutil.Process(rsp.process.pid)
        for process in (master, *master.children()):
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            found = re.search(r"^Max core file size +(\w+) ", limits, re.M)[1]
            assert (found in ("0", "1")) == (keys or cores == 0)
            assert process.num_fds() > 3


@pytest.mark.skipif(not is_root(), reason="only root reads what others may not")
def test_keys_are_read_with_roots_rights(place):
    (place / "site.key").chmod(0o600)
    with Rsp(place, ONE) as rsp:
        assert {psutil.Process(pid).username() for pid in rsp.workers().values()} == {"nobody"}
