"""What is known of discovered peers outlives all processes of rsp, while their source is gone."""

import json

import pytest

from tests.harness import Backend, as_root, background_load, get, wait_until
from tests.operations.test_upgrade import Upgradable, is_gone


@pytest.mark.soak
def test_an_upgrade_keeps_members_whose_source_is_gone(tmp_path):
    listed = tmp_path / "members.json"
    with Backend(name="one") as backend:
        listed.write_text(json.dumps([backend.address]))
        text = f"""
            listen "127.0.0.1:{{port}}"
            upstream "app" {{ discover = {{ url = "file://{listed}", doubt = "1h" }} }}
            route {{ to = "app" }}
            {as_root()}
        """
        with Upgradable(tmp_path, text, workers=1) as rsp:
            wait_until(lambda: get(rsp.port).endswith(b"one"), "the member")
            listed.unlink()
            with background_load(rsp.port, 2, at_least=50, pause=0.005) as load:
                old = rsp.upgrade()
                wait_until(lambda: is_gone(old), "the old master leaves")
                wait_until(lambda: rsp.admin("/status")["discovery"][0]["state"] == "unreachable", "it is gone")
            assert load.failures == []
            assert set(rsp.peers()) == {backend.address}
            assert rsp.admin("/status")["discovery"][0]["members"] == 1
            listed.write_text("[]")  # and an empty answer is not believed by the successor either
            wait_until(lambda: rsp.admin("/status")["discovery"][0]["state"] == "doubtful", "doubt")
            assert get(rsp.port).endswith(b"one")
