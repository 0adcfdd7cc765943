"""``echo``, of a module of that name: texts that answer, which become a ``return`` before anything is translated."""

from rsp.importing.nginx.tree import Statement


def translate(block: list[Statement]) -> None:
    """Where a block has nothing else of the module."""
    texts = [each for each in block if each.name == "echo"]
    others = [each for each in block if each.name.startswith("echo_")]
    if texts and not others and not any(each.name == "return" for each in block):
        said = "".join(_line(each.args) for each in texts)
        place = block.index(texts[0])
        block[place] = Statement("return", ["200", said], texts[0].origin)
        block[:] = [each for each in block if each not in texts]
    for each in block:
        if each.block and each.name in ("server", "location", "if"):
            translate(each.block)


def _line(words: list[str]) -> str:
    end = "" if words[:1] == ["-n"] else "\n"
    return " ".join(words[1:] if not end else words) + end
