"""Whatever a source says: each entry is a member that rsp can have, or is left out with a clause."""

import json
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.control.discovery.provider import Member, checked, written, written_list

ADDRESSES = st.one_of(
    st.builds("{}:{}".format, st.ip_addresses(v=4), st.integers(1, 65535)),
    st.builds("[{}]:{}".format, st.ip_addresses(v=6), st.integers(1, 65535)),
)
ENTRIES = st.builds(Member, ADDRESSES, st.integers(1, 1000), st.booleans())
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | ADDRESSES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["address", "weight", "backup", "targets", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def as_json(member, **more):
    said = {"address": member.address, "weight": member.weight, "backup": member.backup, **more}
    return {key: value for key, value in said.items() if value is not None}


@given(ENTRIES)
def test_what_is_right_is_taken_in_each_form(member):
    text = json.dumps(as_json(member, zone="a", labels={"b": ["c"]}))
    assert written(text.encode()) == written(f"  {text}\n".encode()) == member
    for plain in (member.address, json.dumps(member.address), f"{member.address}\n"):
        assert written(plain.encode()) == Member(member.address)


@given(st.binary(max_size=1200) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_an_entry_is_a_member_or_a_mistake(text):
    try:
        found = written(text)
    except ValueError as error:
        assert str(error)
        return
    assert found == checked(*found)
    assert not found.address.startswith(("unix:", "srv:", "discover:"))
    assert 1 <= found.weight <= 1000


@given(st.lists(ENTRIES | ANY_JSON, max_size=8))
def test_a_list_has_its_good_entries(entries):
    """The bad ones are left out, each with a complaint."""
    said = [as_json(each) if isinstance(each, Member) else each for each in entries]
    complaints = []
    found = written_list(json.dumps(said).encode(), complaints.append)
    assert found == list(_good(said))
    assert all(each in found for each in entries if isinstance(each, Member))


def _good(said):
    """Of entries, and of groups of entries."""
    for each in said:
        is_group = isinstance(each, dict) and isinstance(each.get("targets"), list)
        for one in each["targets"] if is_group else [each]:
            with suppress(ValueError):
                yield written(json.dumps(one).encode())


@given(st.lists(st.lists(ADDRESSES, max_size=3), max_size=3))
def test_groups_of_prometheus(groups):
    text = json.dumps([{"targets": group, "labels": {"job": "app"}} for group in groups]).encode()
    assert [each.address for each in written_list(text, print)] == [each for group in groups for each in group]
    if len(groups) == 1:
        assert written_list(json.dumps({"targets": groups[0]}).encode(), print) == written_list(text, print)


@pytest.mark.parametrize("text", [b"", b"5", b"{}", b"[", b"null", b'{"targets": 5}', b"[1" * 5000, b"\xff", b'"a:1"'])
def test_what_is_no_list(text):
    with pytest.raises(ValueError, match="expected a JSON list"):
        written_list(text, print)


def test_what_is_nested_deeply_is_one_bad_entry():
    deep = b'{"x":' + b"[" * 900 + b"]" * 900 + b"}"
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        written(deep)
    complaints = []
    text = b'["10.0.0.1:80", {"address": "10.0.0.2:80", "x":' + b"[" * 480 + b"]" * 480 + b"}]"
    assert written_list(text, complaints.append)[0].address == "10.0.0.1:80"


@given(ADDRESSES)
def test_addresses_are_those_of_peers(address):
    host = checked(address).address.rpartition(":")[0].strip("[]")
    ip_address(host)
