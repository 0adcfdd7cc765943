"""Keys of an issuer that is gone: a new master, a new control process and a reload still have them."""

import os
import signal

import psutil

from tests.harness import get, wait_until
from tests.issuer import Issuer, SigningKey, published
from tests.operations.test_upgrade import Upgradable, is_gone

KEY = SigningKey("ES256", "one")


def test_keys_outlive_their_issuer_the_master_and_the_control_process(tmp_path):
    with Issuer(published(KEY)) as issuer:
        text = (
            'listen "127.0.0.1:{port}" route { respond = { body = "fine" }, auth = { jwt = { jwks = "URL", audience = "api" } } } '
            'upstream "app" { "127.0.0.1:1" }'
        )
        with Upgradable(tmp_path, text.replace("URL", issuer.url), 1) as rsp:

            def answer():
                return get(rsp.port, extra=f"Authorization: Bearer {KEY.token()}\r\n")[9:12]

            wait_until(lambda: answer() == b"200", "keys")
            issuer.close()
            old = rsp.upgrade()
            wait_until(lambda: is_gone(old), "the old master to leave")
            assert answer() == b"200"
            wait_until(lambda: "cannot be fetched" in rsp.log, "a control process that asks in vain")
            (control,) = (each for each in psutil.Process(rsp.pid).children() if each.cmdline()[0] == "rsp: control")
            control.kill()
            wait_until(lambda: rsp.log.count("cannot be fetched") >= 2, "another control process that asks in vain")
            assert answer() == b"200"
            os.kill(rsp.pid, signal.SIGHUP)
            wait_until(lambda: "Reloaded:" in rsp.log, "the reload")
            assert answer() == b"200"
