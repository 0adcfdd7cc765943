"""What ``rsp explain`` says of peers that are asked over HTTP/2."""

import pytest

from rsp.commands import explain


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "peer 127.0.0.1:1\n"), (", http = 1", "peer 127.0.0.1:1\n"), (", http = 2", "peer 127.0.0.1:1, over HTTP/2\n"),
        (", tls = { name = 'a.example' }, http = 'auto'",
         "peer 127.0.0.1:1, over HTTP/2 or HTTP/1.1, over TLS, certificate for a.example\n"),
        (", tls = { verify = false }, http = 2", "peer 127.0.0.1:1, over HTTP/2, over TLS, not verified\n"),
    ],
)  # fmt: skip
def test_explain(tmp_path, monkeypatch, capsys, keys, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(
        f'listen "127.0.0.1:1" upstream "app" {{ "127.0.0.1:1"{keys} }} route {{ to = "app" }}'
    )
    assert explain.main(["site.lua", "GET /"]) == 0
    assert f"upstream:  app, {said}" in capsys.readouterr().out
