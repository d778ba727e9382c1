"""The readers of JSON and YAML agree with the libraries that everybody uses, and no text makes them fail."""

from __future__ import annotations

import json
import string
from pathlib import Path
from types import ModuleType

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from nextbridge.config import json_notation, yaml_notation
from nextbridge.config.document import Document, Mapping, Node, NotationError, Scalar, Sequence, plain

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORDS = st.text(string.ascii_letters + "_-", min_size=1, max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=12,
)
PIECES = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            '"a"',
            '"b"',
            "'c'",
            "1",
            "-",
            "true",
            "no",
            "&x",
            "*x",
            "#",
            "//",
            "\\",
            '"',
            "é",
            "!t",
            "|",
            ">",
            "?",
            "<<",
            "1e999",
            "%",
            "@",
            "`",
            "---",
            "~",
            "=",
            "08",
            ".5",
            "'x",
            "\n",
            "  ",
            "- ",
            "\t",
            "\x00",
            "\ufeff",
            ": ",
            "\n  ",
        ]
    ),
    max_size=14,
).map("".join)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_json_means_what_the_standard_library_reads(value: object, indent: int | None, ascii_only: bool) -> None:
    """Any value, written by the standard library, is read as it was; nothing stands twice in it."""
    node, duplicates = json_notation.read(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert plain(node) == value
    assert duplicates == []


def mistake(reader: ModuleType, text: str) -> NotationError | None:
    """What the reader of a notation finds wrong with a text."""
    try:
        reader.read(text)
    except NotationError as error:
        return error
    return None


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return "1e999" not in text


@given(PIECES)
def test_what_the_standard_library_refuses_is_refused(text: str) -> None:
    """Pieces put together at random: the two agree on which are JSON, and each mistake has a place."""
    error = mistake(json_notation, text)
    assert (error is None) == is_json(text)
    if error is not None:
        problem = Document(Path("x"), text, notation="JSON").syntax_problem(error)
        assert 0 <= error.offset <= len(text)
        assert problem.line >= 1


@given(st.dictionaries(WORDS, VALUES, max_size=4))
def test_yaml_means_what_its_library_reads(value: dict[str, object]) -> None:
    """What the library writes is read as it was."""
    node, duplicates = yaml_notation.read(yaml.safe_dump(value))
    assert plain(node) == value
    assert duplicates == []


@given(PIECES)
@example("\ufeff\x00")
def test_no_text_makes_the_yaml_reader_fail(text: str) -> None:
    """It is read, or the mistake is told at a place in it."""
    error = mistake(yaml_notation, text)
    if error is not None:
        problem = Document(Path("x"), text, notation="YAML").syntax_problem(error)
        assert 0 <= error.offset <= len(text)
        assert problem.line >= 1


def words(node: Node) -> list[Scalar]:
    if isinstance(node, Scalar):
        return [node]
    below = node.items if isinstance(node, Sequence) else [each.node for each in node.entries.values()]
    return [word for each in below for word in words(each)]


@given(VALUES)
def test_every_value_knows_its_place(value: object) -> None:
    """The text from its start to its end is the value itself."""
    text = json.dumps(value, indent=1)
    node, _ = json_notation.read(text)
    for each in words(node):
        assert json.loads(text[each.start : each.end]) == each.value
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            assert text.startswith(json.dumps(key), entry.start)
