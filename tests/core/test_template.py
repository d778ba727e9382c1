"""A message template is parsed once; what cannot be read is told with its place."""

from __future__ import annotations

import pytest

from nextbridge.template import VARIABLES, Header, Literal, Template, TemplateError, Variable, parse


def test_variables_and_words_alternate() -> None:
    """`<{nickname}> {msg}` is words, a variable, words, a variable."""
    assert parse("<{nickname}> {msg}") == Template(
        (
            Literal("<"),
            Variable("nickname"),
            Literal("> "),
            Variable("msg"),
        )
    )


def test_doubled_braces_are_braces() -> None:
    """`{{` and `}}` stand for the characters."""
    assert parse("{{{msg}}}").parts == (Literal("{"), Variable("msg"), Literal("}"))


def test_a_header_holds_its_own_small_templates() -> None:
    """A richheader's title and content may hold variables, and anything but a double quote and angle brackets."""
    parsed = parse('<richheader title="{user} / it\'s" content="{from}"/>\n{msg}')
    assert parsed.parts[0] == Header((Variable("user"), Literal(" / it's")), (Variable("from"),))


def test_only_the_message_alone_is_bare() -> None:
    """`{msg}` is bare; anything around it is not."""
    assert parse("{msg}").bare
    assert not parse("{msg} ").bare


@pytest.mark.parametrize(
    ("text", "offset", "said"),
    [
        ("a { b {msg}", 2, "'{{'"),
        ("a } b {msg}", 2, "'}}'"),
        ("{nicknam}: {msg}", 0, "did you mean {nickname}?"),
        ("{}", 0, "no variable {}"),
        ("{msg.__class__}", 0, "no variable"),
        ("{msg!r}", 0, "no variable"),
        ("{msg} {msg}", 6, "twice"),
        ('x <richheader title="a"', 2, "richheader is written"),
        ('<RichHeader title="a"/>{msg}', 0, "richheader is written"),
        ('< richheader title="a"/>{msg}', 0, "richheader is written"),
        ('{msg}<richheader title="a"> <richheader title="a"/>', 5, "richheader is written"),
        ('<richheader title="a" title="b"/>', 22, "not 'title'"),
        ('<richheader colour="a"/>', 12, "not 'colour'"),
        ("<richheader title='a'/>", 11, "only"),
        ('<richheader title="{msg}"/>', 19, "no variable {msg}"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, offset: int, said: str) -> None:
    """Each mistake names the place in the template and what to write."""
    with pytest.raises(TemplateError) as raised:
        parse(text)
    assert raised.value.offset == offset
    assert said in raised.value.reason


def test_a_template_may_allow_fewer_variables() -> None:
    """A name's template has no message in it."""
    with pytest.raises(TemplateError, match="no variable"):
        parse("{msg}", variables=VARIABLES - {"msg"})
