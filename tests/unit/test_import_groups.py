"""Which groups a hook of an imported configuration asks for: those of the location, or those of an expression in it."""

import pytest

from rsp.importing.nginx.rewrite.guards import asks_outside


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["found = a.match(x)", "if found then", "  y(found[1])", "end"], False),
        (["local found = a.match(x)", "if found then", "  y(found.name)", "end"], False),
        (["found = a.match(x)", "if found then", "end", "y(found[1])"], True),
        (["y(found[1])", "found = a.match(x)"], True),
        (["found = a.match(found[1])"], True),
        (["if z then", "  found = a.match(x)", "  if found then", "    y(found[1])", "  end", "end"], False),
        (["if z then", "  found = a.match(x)", "else", "  y(found[1])", "end"], True),
        (["found = a.match(x)", "if found then", "elseif found[1] then", "end"], True),
        (["return found == nil"], False),
    ],
)
def test_groups_of_the_location_are_asked_for(lines, expected):
    assert asks_outside(lines) is expected
