"""What ``rspctl`` says when it cannot know what is meant."""

import subprocess
import sys

from rsp.terminal import instance
from tests.harness import Rsp, proxy_to


def test_a_command_that_is_mistyped():
    done = subprocess.run([sys.executable, "-m", "rsp.rspctl", "relaod"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and '(did you mean "reload"?)' in done.stderr


def test_without_a_command_the_commands_are_listed():
    done = subprocess.run([sys.executable, "-m", "rsp.rspctl"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Reload the configuration and wait for the result." in done.stderr


def test_of_several_instances_each_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(instance, "directory", lambda: tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with Rsp(tmp_path / "one", proxy_to("127.0.0.1:9")) as one, Rsp(tmp_path / "two", proxy_to("127.0.0.1:9")) as two:
        for number, rsp in enumerate((one, two)):
            (tmp_path / f"rsp-{number}.sock").symlink_to(rsp.directory / "admin.sock")
        try:
            instance.find_socket()
        except instance.Failure as failure:
            said = str(failure).split("\n")
    assert said[1:] == [
        f"  {tmp_path}/rsp-{number}.sock, with {rsp.file}, listening on 127.0.0.1:{rsp.port}"
        for number, rsp in enumerate((one, two))
    ]
