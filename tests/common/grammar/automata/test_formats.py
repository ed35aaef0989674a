"""Formats by their standards: what they allow, and what is nearly allowed."""

from __future__ import annotations

import datetime
import ipaddress
import random

import pytest

from forge_common.grammar.automata.formats import FORMATS
from forge_common.grammar.automata.store import AutomatonStore

STORE = AutomatonStore()
CASES = {
    "date": (
        ["2024-02-29", "2000-02-29", "1999-12-31"],
        ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "24-01-01", "2024-1-1", ""],
    ),
    "time": (
        ["12:00:00Z", "23:59:59.123z", "00:00:00+23:59", "23:59:60Z", "23:59:60.5-00:00"],
        [
            "24:00:00Z",
            "12:60:00Z",
            "12:00:60Z",
            "12:00:00",
            "12:00:00+24:00",
            "12:00:00.Z",
            "1:00:00Z",
        ],
    ),
    "date-time": (
        ["2024-02-29T12:00:00Z", "1990-12-31t23:59:60z", "1985-04-12T23:20:50.52+01:00"],
        ["2024-02-30T12:00:00Z", "2024-02-29 12:00:00Z", "2024-02-29T12:00:00", "2024-02-29"],
    ),
    "duration": (
        ["P1Y2M3DT4H5M6S", "PT0S", "P4W", "P1M", "PT36H", "P1YT1M"],
        ["P", "PT", "P1D2H", "1D", "P1Y2W", "P1S", "P2D1Y", "P1YD", "PT1H1S", "P0.5D"],
    ),
    "uuid": (
        ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
        ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400", "g" * 36],
    ),
    "ipv4": (
        ["0.0.0.0", "255.255.255.255", "10.1.29.100"],  # noqa: S104
        ["256.0.0.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.4/24", "0x7f.0.0.1"],
    ),
    "ipv6": (
        [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
        ],
        [
            "1:2:3:4:5:6:7",
            "1::2::3",
            ":1",
            "1:",
            "12345::",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7:8::",
            "::1.2.3",
        ],
    ),
    "hostname": (
        ["example.com", "a", "a-b.c-d", "1.2", "x" * 63 + ".y"],
        ["", "-a", "a-", "a..b", ".a", "a.", "a_b", "x" * 64, "xn--x", "ab--c"],
    ),
    "email": (
        [
            "joe@example.com",
            "a.b+c@x-y.org",
            '"joe bloggs"@x.y',
            '"a\\"b"@x',
            "j@[127.0.0.1]",
            "j@[IPv6:::1]",
            "x" * 64 + "@y.z",
            f'"{"@" * 62}"@y.z',
        ],
        [
            "joe",
            "x" * 65 + "@y.z",
            f'"{"@" * 63}"@y.z',
            "@x",
            "joe@",
            ".a@x",
            "a.@x",
            "a..b@x",
            "a b@x",
            "j@[127.0.0.300]",
            "j@-x",
            '"a"b"@x',
        ],
    ),
    "uri": (
        [
            "http://u:p@h.x:80/p;q/%41?r=/?#f?/",
            "urn:a:b",
            "mailto:j@x",
            "a:",
            "http://[::1]:/",
            "x:/",
            "tel:+1",
            "ldap://[v7.a:b]/",
        ],
        [
            "//h/p",
            "/p",
            "p",
            "",
            "http://h/%4",
            "http://a b",
            "http://[::1",
            "1:x",
            "a:b#c#d",
            "http://h:8a/",
            "x:\\",
            "x:{}",
            "http://ü",
        ],
    ),
    "uri-reference": (
        ["", "//h/p", "/p", "p:q", "./p:q", "?q", "#f", "p/q:r"],
        ["p%", "a b", "\\x", "#a#b", ":p", "1:p", "//[::1"],
    ),
    "iri": (["http://ü.de/漢?\ue000", "a:ü"], ["http://ü\ufdd0", "a:\ue000", "ü:x", "//ü", "a: b"]),
    "iri-reference": (["", "ü", "#漢", "//ü/"], ["a b", "ü\\", "\ud7ff\ufffe"]),
    "uri-template": (
        ["http://x/{a,b*}{?c:3}", "{+a.b}", "{/id}", "", "%41", "{a%20b}"],
        ["{", "}", "{}", "{a", "{a:0}", "{a:12345}", "{a b}", "a b", "%4", "{{a}}", "{a..b}"],
    ),
    "json-pointer": (["", "/", "/a/~0~1", "/ü/0"], ["a", "/~", "/~2", "#/a", "/a~"]),
    "relative-json-pointer": (
        ["0", "1/a", "12#", "0/"],
        ["", "/a", "01", "-1", "1#/a", "0##", "+1"],
    ),
}


def has_format(name: str, text: str) -> bool:
    pattern, max_length = FORMATS[name]
    return STORE.matches(pattern, text) and (max_length is None or len(text) <= max_length)


@pytest.mark.parametrize("name", CASES)
def test_examples_are_judged_by_the_standard(name: str) -> None:
    inside, outside = CASES[name]
    assert [text for text in inside if not has_format(name, text)] == []
    assert [text for text in outside if has_format(name, text)] == []


def test_every_format_has_examples() -> None:
    assert FORMATS.keys() == CASES.keys()


def test_dates_are_those_of_the_calendar() -> None:
    for year in (1600, 1900, 1999, 2000, 2004, 2023, 2100, 2400):
        days = {
            (datetime.date(year, 1, 1) + datetime.timedelta(days=day)).isoformat()
            for day in range(366)
        }
        for month in range(14):
            for day in range(33):
                text = f"{year}-{month:02}-{day:02}"
                assert has_format("date", text) == (text in days)


@pytest.mark.parametrize("seed", range(20))
def test_addresses_are_those_that_python_reads(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(100):
        groups = [
            source.choice(["1", "ab", "FFFF", "0", "::", "1.2.3.4", "12345", ""]) for _ in range(9)
        ]
        text = ":".join(groups[: source.randrange(1, 10)]).replace(":::", "::").replace(":::", "::")
        try:
            ipaddress.IPv6Address(text)
            is_address = True
        except ValueError:
            is_address = False
        assert has_format("ipv6", text) == is_address, text


def test_a_host_name_has_a_longest_length() -> None:
    assert has_format("hostname", "a." * 126 + "a")
    assert not has_format("hostname", "a." * 126 + "ab")
