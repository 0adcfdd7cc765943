"""Values of Lua in a store: what comes back is what was set, and what other programs write is not bent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.engines.shared_values import decimal, pack, unpack

TEXTS = st.one_of(
    st.binary(max_size=30),
    st.from_regex(rb"\A[-+]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][-+]?[0-9]{0,4})?\Z"),
    st.sampled_from([b"", b"\1", b"\2true", b"\1\2false", b"inf", b"nan", b"1_0", b" 1", b"1\n", b"0x10"]),
)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**60), 2**60).map(float),
    st.sampled_from([2.0**53, -(2.0**53), 2.0**53 + 2, 1e15, 1e16, 1e22, 1e300, 5e-324, -0.0]),
)


@given(TEXTS)
def test_texts_come_back(value):
    assert unpack(pack(value)) == value
    assert isinstance(unpack(pack(value)), bytes)


@given(NUMBERS)
def test_numbers_come_back(value):
    found = unpack(pack(value))
    assert isinstance(found, float)
    assert found == value


@given(st.booleans())
def test_truth_values_come_back(value):
    assert unpack(pack(value)) is value


@given(TEXTS)
def test_what_others_write_is_a_number_only_if_nothing_of_it_is_lost(data):
    found = unpack(data)
    assert isinstance(found, (bytes, float, bool))
    if isinstance(found, float) and not set(data) & set(b".eE"):
        assert str(int(found)).encode() == data or data == b"-0"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"12", 12.0), (b"-0.5", -0.5), (b"1e3", 1000.0), (b"9007199254740992", 2.0**53), (b"0.33333333333333331", 1 / 3),
        (b"00123", b"00123"), (b"9007199254740993", b"9007199254740993"), (b"12345678901234567890",) * 2,
        (b"+5", b"+5"), (b".5", b".5"), (b"1e999", b"1e999"), (b"\2yes", b"\2yes"), (b"\1", b""),
    ],
)  # fmt: skip
def test_what_others_write(data, value):
    assert unpack(data) == value


def test_integers_are_written_as_such():
    assert (decimal(5), decimal(-5.0), decimal(0.1), decimal(2.0**53)) == (b"5", b"-5", b"0.1", b"9007199254740992")
