"""What a file is by its content: signatures count, names and what a source says only where they say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbridge.media.content import is_shown_inline, media_type_of, signature

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
ZIP = b"PK\x03\x04" + bytes(40)
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40)


@pytest.mark.parametrize(
    ("head", "said", "is_"),
    [
        (PNG, "image/png", "image/png"),
        (PNG, "text/html", "image/png"),
        (PNG, "application/octet-stream", "image/png"),
        (b"<html>", "image/png", "text/plain"),
        (b"<html>", "text/html", "text/html"),
        (b"<html>", "application/octet-stream", "text/plain"),
        (b"<?xml?><svg xmlns=''>", "image/svg+xml", "image/svg+xml"),
        (b"no drawing", "image/svg+xml", "text/plain"),
        (b"BMW is a car", "text/plain", "text/plain"),
        (b"BZh is a name", "image/png", "text/plain"),
        (b"MZ", "text/x-log; charset=utf-8", "text/x-log"),
        ("größer als 8 Bytes".encode(), "text/markdown", "text/markdown"),
        (b"%PDF-1.4\n%%EOF", "image/png", "application/pdf"),
        (ZIP, "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        (ZIP, "image/png", "application/zip"),
        (MP4, "audio/mp4", "audio/mp4"),
        (MP4, "image/png", "video/mp4"),
        (b"\x01\x02\x03", "video/x-odd", "video/x-odd"),
        (b"", "image/png", "image/png"),
        (b"\x01\x02", "", "application/octet-stream"),
        (b"\x01\x02", "no type\r\nX: y", "application/octet-stream"),
    ],
)
def test_the_type_that_a_file_has(head: bytes, said: str, is_: str) -> None:
    """A picture called a page is a picture, a page called a picture is text, a document stays what it was called."""
    assert media_type_of(head, said) == is_


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_file_has_a_type(head: bytes, said: str) -> None:
    """Whatever the bytes and the words: a media type, fit for a header."""
    found = media_type_of(head, said)
    assert found.isascii()
    assert found.isprintable()
    assert found.count("/") == 1


@given(st.text(max_size=300))
def test_no_text_is_shown_inline(text: str) -> None:
    """What a person can write in an editor is never given to a browser to be shown."""
    written = "".join(char for char in text if char >= " ").encode("utf-8", "ignore")
    for before in (b"", b"GIF89a", b"BM", b"RIFF1234WEBP", b"ID3"):
        assert not is_shown_inline(before + written)


def test_a_text_that_is_cut_inside_a_letter_is_text() -> None:
    """The beginning of a file ends anywhere."""
    assert signature("BMü".encode()[:-1]) is None
