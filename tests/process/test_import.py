"""``rsp import`` as it is typed: where the result goes, what is said, and how it ends."""

import os
import threading

from tests.harness import Rsp, get, run_rsp

WHOLE = "server { listen 8080; location = /hi { return 200 hello; } location / { proxy_pass http://127.0.0.1:9; } }\n"
PART = WHOLE.replace("location = /hi {", "location /lua { content_by_lua_block { ngx.say(1) } } location = /hi {")


def _imported(tmp_path, text, *arguments, name="nginx.conf"):
    (tmp_path / name).write_text(text)
    return run_rsp(tmp_path, "import", name, *arguments)


def test_the_result_is_served_as_it_stands(tmp_path):
    made = _imported(tmp_path, WHOLE)
    assert made.returncode == 0, made.stderr
    (tmp_path / "run").mkdir()
    served = made.stdout.replace('listen "0.0.0.0:8080"', 'listen "127.0.0.1:{port}"')
    with Rsp(tmp_path / "run", "\n" + served) as rsp:
        answer = get(rsp.port, "/hi")
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\nhello")


def test_what_is_not_translated_is_said_with_file_and_line(tmp_path):
    made = _imported(tmp_path, PART)
    assert made.returncode == 1
    assert "nginx.conf:1: not translated: code for nginx's Lua module" in made.stderr
    assert "NOT TRANSLATED (nginx.conf:1)" in made.stdout
    assert 'path = "/lua", respond = { status = 503 }' in made.stdout


def test_a_new_file_is_written_and_one_that_is_there_is_not(tmp_path):
    assert _imported(tmp_path, WHOLE, "-o", "site.lua").returncode == 0
    text = (tmp_path / "site.lua").read_text()
    tested = run_rsp(tmp_path, "-t", "site.lua")
    assert tested.returncode == 0, tested.stderr
    again = _imported(tmp_path, PART, "-o", "site.lua")
    assert again.returncode == 2 and "site.lua: this file is there already" in again.stderr
    assert (tmp_path / "site.lua").read_text() == text


def test_a_link_to_nowhere_is_there_as_well(tmp_path):
    (tmp_path / "site.lua").symlink_to("elsewhere.lua")
    assert _imported(tmp_path, WHOLE, "-o", "site.lua").returncode == 2
    assert not (tmp_path / "elsewhere.lua").exists()


def test_a_pipe_is_read_as_well(tmp_path):
    os.mkfifo(tmp_path / "nginx.conf")
    writer = threading.Thread(target=lambda: (tmp_path / "nginx.conf").write_text(WHOLE), daemon=True)
    writer.start()
    made = run_rsp(tmp_path, "import", "nginx.conf")
    writer.join()
    assert made.returncode == 0 and 'exact = "/hi"' in made.stdout


def test_a_file_that_cannot_be_read(tmp_path):
    missing = run_rsp(tmp_path, "import", "none.conf")
    assert missing.returncode == 2 and "none.conf: No such file or directory" in missing.stderr
    broken = _imported(tmp_path, "server {\n listen 80;\n")
    assert broken.returncode == 2 and "nginx.conf:2" in broken.stderr and not broken.stdout
    folder = run_rsp(tmp_path, "import", ".")
    assert folder.returncode == 2 and "Traceback" not in folder.stderr


def test_files_that_are_something_else(tmp_path):
    for name, text in (
        ("README.md", "# server\n\nlocation / {\n a;\n}\n"),
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ):
        said = _imported(tmp_path, text, name=name)
        assert said.returncode == 2
        assert (
            f"{name}: this does not look like a configuration of nginx, Caddy or HAProxy; if it is one" in said.stderr
        )
    said = _imported(tmp_path, 'listen "0.0.0.0:80"\nserver = 1;\n', name="site.lua")
    assert said.returncode == 2 and "this is a configuration of rsp; rsp -t site.lua checks it" in said.stderr
    assert _imported(tmp_path, WHOLE, "--from", "nginx", name="nginx.md").returncode == 0


def test_a_wrong_command_line(tmp_path):
    assert run_rsp(tmp_path, "import").returncode == 2
    assert run_rsp(tmp_path, "import", "a", "b").returncode == 2
    unclear = _imported(tmp_path, "what is this?\n", name="notes.txt")
    assert unclear.returncode == 2 and "--from nginx|caddy|haproxy" in unclear.stderr


def test_the_format_is_told_by_content(tmp_path):
    assert "(nginx)" in _imported(tmp_path, WHOLE, name="site.txt").stdout
    assert "(nginx)" in _imported(tmp_path, WHOLE, "--from", "nginx", name="Caddyfile").stdout


def test_includes_are_relative_to_the_prefix(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hi.conf").write_text("location = /included { return 200; }\n")
    text = "server { listen 8080; include hi.conf; }\n"
    assert 'exact = "/included"' in _imported(tmp_path, text, "-p", "etc").stdout
    missing = _imported(tmp_path, text)
    assert missing.returncode == 1 and "nginx.conf:1: not translated: there is no such file" in missing.stderr


def test_bytes_that_are_no_text_stay_in_comments(tmp_path):
    (tmp_path / "nginx.conf").write_bytes(b"server { listen 8080; # caf\xe9\n location / { unheard \xff\xfe; } }\n")
    made = run_rsp(tmp_path, "import", "nginx.conf")
    assert made.returncode == 1 and "Traceback" not in made.stderr


def test_what_has_no_end_is_no_configuration(tmp_path):
    made = run_rsp(tmp_path, "import", "--from", "nginx", "/dev/zero")
    assert made.returncode == 2 and "/dev/zero: this is longer than 64 MiB" in made.stderr


def test_a_message_says_nothing_of_a_file_that_is_no_configuration(tmp_path):
    (tmp_path / "shadow").write_text("root:$y$secret:20228:0:99999:7:::\n")
    made = _imported(tmp_path, "server { listen 8080; include shadow; return 200 x; }")
    assert made.returncode == 1 and "shadow:1: a directive is not ended by ';'" in made.stderr
    assert "secret" not in made.stderr + made.stdout


def test_a_semicolon_that_is_missing_is_one_of_nginx(tmp_path):
    made = _imported(tmp_path, "server {\n  listen 80\n  server_name a;\n}\n", name="site.conf")
    assert made.returncode != 0 and "site.conf:" in made.stderr and "haproxy" not in made.stderr.lower()
    assert "mode tcp" not in made.stderr and ";" in made.stderr


def test_a_configuration_of_rsp_is_named(tmp_path):
    made = _imported(tmp_path, 'listen "127.0.0.1:80"\n', name="site.lua")
    assert made.returncode == 2 and "this is a configuration of rsp" in made.stderr
