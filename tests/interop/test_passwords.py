"""Hashes as other programs make them are read: Apache's htpasswd, PHP's password_hash."""

import base64
import subprocess

import pytest

from rsp.auth import htpasswd
from rsp.auth.passwords import Users

PASSWORDS = ("secret", "pä ss:word", "x" * 60)


def check(source, password):
    htpasswd.check(source)
    users = Users(source)
    assert users.check(base64.b64encode(b"ann:" + password.encode())) == b"ann"
    assert users.check(base64.b64encode(b"ann:" + password.encode() + b"x")) is None


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["-B", "-m", "-2", "-5", "-s"])
def test_htpasswd(program, kind):
    for password in PASSWORDS:
        made = subprocess.run([program("htpasswd"), "-nb", kind, "ann", password], capture_output=True, check=False)
        if b"usage" in made.stderr.lower() or b"unknown" in made.stderr.lower():
            pytest.skip(f"this htpasswd has no {kind}")
        assert made.returncode == 0, made.stderr
        check(made.stdout, password)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["PASSWORD_BCRYPT", "PASSWORD_ARGON2ID", "PASSWORD_ARGON2I"])
def test_php(program, kind):
    for password in PASSWORDS[1:2]:
        code = f"if (!defined('{kind}')) exit(3); echo 'ann:' . password_hash($argv[1], {kind}) . PHP_EOL;"
        made = subprocess.run([program("php"), "-r", code, password], capture_output=True, check=False)
        if made.returncode == 3:
            pytest.skip(f"this php has no {kind}")
        check(made.stdout, password)
