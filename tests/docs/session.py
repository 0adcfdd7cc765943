"""A machine for one page of the documentation: its commands run as written, as root, and nothing of it is left.

The page has namespaces of its own (Linux, root): processes, mounts and network.  Its root is an overlay in memory on the
real one, so it may write to /etc and /srv; ports 80, 443 and 8000 are free, and example.com is this machine.
"""

import base64
import functools
import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsp.commands.options import COMMANDS
from tests.docs.pages import ROOT, Command, File, matches

PATIENCE = 60.0
#: Commands that go on until Ctrl-C, and what they say once others can go on: they are typed in a terminal of their own.
SERVERS = (
    (rf"rsp (?!-[tTvVs]|{'|'.join(COMMANDS)})", r"Started\."),
    (r"rsp demo --backends", r"Backends:"),
    (r"rsp demo", r"Started\."),
    (r"python3? -m http\.server", r"Serving HTTP"),
    (r"rspctl (log|trace|top)(?!.*--once)", r""),
    (r"curl -sN", r""),
    (r"python3 chat\.py", r"[Ll]istening"),
)
#: Addresses of peers on the pages, all of this machine.
ADDRESSES = ("10.0.0.1", "10.0.0.2")
HOSTS = "127.0.0.1 localhost example.com www.example.com app.example.com api.example.com staff.example.com\n"

_ENTER = r"""
set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
for part in proc dev sys; do mount --rbind "/$part" "root/$part"; done
mount -t tmpfs tmpfs root/run
ip link set lo up
for address in $2; do ip address add "$address/32" dev lo; done
printf '%s' "$3" > root/etc/hosts
mkdir -p root/srv/site
ln -s "$4/deploy" "$4/examples" "$4/rsp.lua" root/srv/site  # "in a checkout"
echo no-progress-meter > root/root/.curlrc  # as curl does at a terminal
exec chroot root bash --norc --noprofile
"""
_END = "\x1e"


def _unshare(script: str, *arguments: str) -> list[str]:
    return ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "bash", "-c", script, "bash", *arguments]


@functools.cache
def _possible() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    mount = "mount -t tmpfs t /mnt && cd /mnt && mkdir u w r && mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w r"
    return subprocess.run(_unshare(mount), capture_output=True, check=False).returncode == 0


needs_machine = pytest.mark.skipif(not _possible(), reason="needs root, namespaces and overlayfs")


class Session:
    """A shell in such a machine.  ``directory``: an empty one, for the mounts."""

    def __init__(self, directory: Path) -> None:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "COLUMNS": "200",
            "RSP_PURE": os.environ.get("RSP_PURE", ""),
        }  # fmt: skip
        enter = _unshare(_ENTER, str(directory), " ".join(ADDRESSES), HOSTS, str(ROOT))
        self._shell = subprocess.Popen(
            enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        self._terminals = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._shell.stdout, selectors.EVENT_READ)
        self._ask("cd /srv/site")

    def write(self, file: File) -> None:
        self._ask(f"mkdir -p \"$(dirname '{file.name}')\" && base64 -d > '{file.name}' <<< {_base64(file.text)}")

    def run(self, command: Command) -> None:
        """As a reader does.  Fails where the page is wrong."""
        ready = next((ready for server, ready in SERVERS if re.match(server, command.text)), None)
        if ready is not None:
            self._serve(command, ready)
            return
        status, said = self._ask(f'eval "$(base64 -d <<< {_base64(command.text)})"')
        where = f"{command.place}: {command.text}\n{said}"
        assert status == command.status, f"exit status {status}: {where}"
        assert command.output is None or matches(command.output, said), f"not what the page shows: {where}"

    def _serve(self, command: Command, ready: str) -> None:
        self._terminals += 1
        log = f"/terminal.{self._terminals}"
        if command.text.startswith("rsp demo"):  # it takes the ports of the one before
            self._ask('[ -z "$demo" ] || { pkill -P $demo; wait $demo; }')
        self._ask(f'{{ eval "$(base64 -d <<< {_base64(command.text)})"; }} > {log} 2>&1 & last=$!')
        if command.text.startswith("rsp demo"):
            self._ask("demo=$last")
        give_up = time.monotonic() + PATIENCE
        while True:
            alive, _ = self._ask("kill -0 $last")
            said = self._ask(f"cat {log}")[1]
            if re.search(ready, said) and (not command.output or matches(command.output, said, whole=False)):
                return
            assert alive == 0, f"ended: {command.place}: {command.text}\n{said}"
            assert time.monotonic() < give_up, f"not what the page shows: {command.place}: {command.text}\n{said}"
            time.sleep(0.1)

    def _ask(self, script: str) -> tuple[int, str]:
        """The exit status of a piece of script, and what it has printed."""
        line = f"{{ {script}\n}} < /dev/null > /said 2>&1; printf '{_END}%s{_END}' $?; cat /said; printf '{_END}'\n"
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        data, give_up = b"", time.monotonic() + PATIENCE
        while data.count(_END.encode()) < 3:
            assert self._selector.select(give_up - time.monotonic()), f"takes too long: {script}: {data!r}"
            more = os.read(self._shell.stdout.fileno(), 65536)
            assert more, f"the shell has ended: {data!r}"
            data += more
        _, status, said, _ = data.decode(errors="replace").split(_END)
        return int(status), said

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.kill()  # and with it every process of the page
        self._shell.communicate()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
