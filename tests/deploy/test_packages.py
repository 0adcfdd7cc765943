"""The Debian package in a Debian of its own, by ``make test-deploy``: installed, checked, serving, upgraded, purged.

Needs root, debootstrap and systemd.  ``make deb`` has built the package, else the test does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = [
    pytest.mark.skipif(not os.environ.get("RSP_TEST_DEPLOY"), reason="only by make test-deploy"),
    pytest.mark.timeout(1800),
]
RELEASE = "bookworm"
# By dpkg, and by useradd and userdel.
KEPT = ("/var/lib/dpkg/", "/var/log/dpkg.log", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/sub", "/etc/.pwd")  # fmt: skip
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
# A network of its own, in which port 80 is free, and the right that the unit gives to its user.
ALONE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec",
         'ip link set lo up; mount -t proc proc "$0/proc"; exec chroot "$0" "$@"')  # fmt: skip
SERVICE = "setpriv --reuid rsp --regid rsp --clear-groups --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service"
SERVES = f"""
{SERVICE} rsp -t /etc/rsp/site.lua
{SERVICE} rsp /etc/rsp/site.lua 2> /tmp/log &
until grep -q Started. /tmp/log || ! kill -0 $!; do sleep 0.1; done
python3 -c 'from urllib.request import urlopen; print(urlopen("http://127.0.0.1/").read().decode())'
setpriv --reuid rsp --regid rsp --clear-groups rspctl -s /run/rsp/admin.sock health
kill $!; wait $!
grep -q Stopped. /tmp/log; rm /tmp/log
cat /var/log/rsp/access.log
"""


@pytest.fixture(scope="module")
def deb() -> Path:
    if not list((ROOT / "dist").glob("*.deb")):
        subprocess.run(["make", "deb"], cwd=ROOT, check=True)
    return max((ROOT / "dist").glob("rsp_*.deb"), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def debian():
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    place = Path(os.environ.get("RSP_DEPLOY_STORAGE", Path(tempfile.gettempdir(), "rsp-podman")))
    place.mkdir(exist_ok=True)
    clean = place / "debian"
    if not (clean / "usr/bin/python3").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "--include=python3", RELEASE, clean], check=True)
    used = place / "debian-used"
    shutil.rmtree(used, ignore_errors=True)
    subprocess.run(["cp", "-a", clean, used], check=True)
    yield used
    shutil.rmtree(used)


def inside(debian: Path, *command: str) -> str:
    done = subprocess.run([*ALONE, debian, *command], capture_output=True, text=True, env=PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(debian: Path) -> set[str]:
    found = {f"/{path.relative_to(debian)}" for path in debian.rglob("*")}
    return {name for name in found if not name.startswith(KEPT)}


def flaws(folder: Path) -> list[str]:
    """Of the units, with programs that are here."""
    units = [folder / "rsp.service", folder / "rsp.socket"]
    for unit in units:
        text = unit.read_text()
        assert "/opt/" not in text
        unit.write_text(text.replace("/usr/bin/rspctl", "/bin/true").replace("/usr/bin/rsp ", f"{sys.executable} "))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    return [line for line in done.stderr.splitlines() if "rsp." in line]


def test_the_life_of_the_package(deb: Path, debian: Path) -> None:
    shutil.copy(deb, debian / "rsp.deb")
    shutil.copy(ROOT / "tests" / "packaged.py", debian)
    before = files(debian)
    inside(debian, "dpkg", "-i", "/rsp.deb")

    inside(debian, "python3", "-B", "/packaged.py", "/usr/bin")
    inside(debian, "rsp", "-t", "/etc/rsp/site.lua")
    said = inside(debian, "bash", "-ec", SERVES)
    assert "rsp is installed." in said
    assert "workers are healthy" in said
    assert '"GET / HTTP/1.1" 200' in said

    assert flaws(debian / "lib/systemd/system") == []
    for name in (
        "man/man1/rsp.1.gz",
        "man/man5/rsp.lua.5.gz",
        "bash-completion/completions/rspctl",
        "doc/rsp/copyright",
    ):
        assert (debian / "usr/share" / name).stat().st_size > 100

    with (debian / "etc/rsp/site.lua").open("a") as file:
        file.write("-- mine\n")
    inside(debian, "dpkg", "-i", "/rsp.deb")
    assert "-- mine" in (debian / "etc/rsp/site.lua").read_text()

    inside(debian, "dpkg", "--remove", "rsp")
    assert "-- mine" in (debian / "etc/rsp/site.lua").read_text()
    assert not (debian / "usr/lib/rsp").exists()
    inside(debian, "dpkg", "--purge", "rsp")
    assert files(debian) == before
    assert "rsp" not in (debian / "etc/passwd").read_text()
