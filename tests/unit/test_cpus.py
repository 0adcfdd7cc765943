"""How a configuration writes CPUs, and what is said of those that cannot be used."""

import os

import pytest

from rsp.config.cpus import CpuSet, mistakes, written
from tests.messages import messages

SITE = 'listen "127.0.0.1:1" route { respond = { status = 200 } }\n'


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0", {0}), (3, {3}), ("2-3", {2, 3}), (" 0, 4-6 ", {0, 4, 5, 6}), ("8191", {8191}), ("5-5,5", {5})],
)
def test_cpus_are_numbers_and_ranges(text, numbers):
    assert CpuSet.parse(text).numbers == numbers


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-2", "0,,1", "8192", "0-99999", "01", 0.5, True, None, [0]])
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match='expected the CPUs of a worker such as "0" or "2-3", got '):
        CpuSet.parse(text)


@pytest.mark.parametrize(
    ("numbers", "text"), [({3}, "3"), ({0, 1}, "0-1"), ({0, 2, 3, 4, 9}, "0,2-4,9"), (range(128), "0-127")]
)
def test_they_are_written_as_they_are_read(numbers, text):
    assert written(numbers) == text
    assert CpuSet.parse(text).numbers == set(numbers)


def test_each_entry_must_be_allowed(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5})
    assert not list(mistakes((CpuSet("2-3"), CpuSet("5"))))
    ((path, message),) = mistakes((CpuSet("2"), CpuSet("1,3-5")))
    assert path == ("cpu_affinity", 2)
    assert message.startswith('cpu_affinity: "1,3-5": rsp may not run on CPU 1,4; allowed: 2-3,5 (')


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"0"', 'expected "auto", got "0"; write { "0" }'),
        ("1", 'expected "auto" or a list, got 1; write { "1" }'),
        ("true", 'expected "auto" or a list, got true; write "auto"'),
        ("false", 'expected "auto" or a list, got false; leave it out for any CPU'),
        ('"0101"', 'expected "auto", got "0101"; write { "0,2" }'),
        ('"off"', 'expected "auto", got "off"; leave it out for any CPU'),
        ('"atuo"', 'expected "auto", got "atuo" (did you mean "auto"?)'),
        ('{ "0101" }', 'expected the CPUs of a worker such as "0" or "2-3", got "0101"; write "0,2"'),
    ],
)
def test_what_to_write_instead(tmp_path, monkeypatch, value, said):
    monkeypatch.chdir(tmp_path)
    assert messages(f"{SITE}cpu_affinity = {value}") == [f"s.lua:2: cpu_affinity: {said}"]


def test_the_words_of_nginx_and_haproxy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("worker_cpu_affinity", "cpu_map"):
        (said,) = messages(f'{SITE}{word} = "auto"')
        assert f'unknown setting "{word}" (in rsp: cpu_affinity = "auto")' in said
