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


@pytest.mark.parametrize(
    ("request_line", "fields", "head"),
    [
        ("GET /a?b", ["TE: trailers", "X-Thing: 1"],
         [":method: GET", ":scheme: https", ":authority: localhost", ":path: /a?b", "x-thing: 1", "te: trailers"]),
        ("GET /ws", ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: aGVsbG8gaGVsbG8gaGVsbA==",
                     "Sec-WebSocket-Version: 13"],
         [":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: localhost", ":path: /ws",
          "sec-websocket-version: 13"]),
    ],
)  # fmt: skip
def test_the_head_of_a_request_over_http2(tmp_path, monkeypatch, capsys, request_line, fields, head):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.lua").write_text(
        'listen "127.0.0.1:2" upstream "app" { "127.0.0.1:1", tls = true, http = 2 } route { to = "app" }'
    )
    given = [each for field in fields for each in ("-H", field)]
    assert explain.main(["site.lua", request_line, *given]) == 0
    lines = capsys.readouterr().out.splitlines()
    lines = lines[next(number for number, line in enumerate(lines) if line.startswith(":method:")) :]
    assert [line for line in lines if not line.startswith("x-") or line.startswith("x-thing")] == head
