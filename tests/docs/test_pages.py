"""The rules by which pages are read: what is a command, a file, an output."""

from tests.docs.pages import Command, File, commands, matches, steps

_PAGE = """
```lua title="site.lua"
route { to = "app" }
```

```sh
rsp -t \\
  site.lua   # exit status 1
```

1. In a list:

    ```console
    $ curl -s http://127.0.0.1/
    hello
    ```

    rspctl peers

    not a command
"""


def test_steps(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(_PAGE.replace("    not", "text\n\n    not"))
    file, checked, asked, *rest = steps(page)
    assert (file.name, file.text) == ("site.lua", 'route { to = "app" }\n') and isinstance(file, File)
    assert checked.text.startswith("rsp -t \\\n") and checked.status == 1 and checked.output is None
    assert isinstance(asked, Command) and (asked.text, asked.output) == ("curl -s http://127.0.0.1/", "hello")
    assert [step.text for step in rest] == ["rspctl peers"]


def test_commands_that_go_on():
    text = "cat <<'EOF' > a\nx\nEOF\necho 'a\nb'\n# a comment\necho c\n"
    assert list(commands(text)) == ["cat <<'EOF' > a\nx\nEOF", "echo 'a\nb'", "echo c"]


def test_outputs():
    assert matches("peer  state\na ... up", "peer state\na   127.0.0.1:1  up\n")
    assert matches("...\nlast", "last\n") and matches("first\n...\nlast", "first\n1\n2\nlast")
    assert not matches("a", "a\nb") and matches("a", "a\nb", whole=False)
    assert not matches("a.c", "abc") and not matches("status ... 200", "status\n200")
