"""Templates: what they may do with what strangers post, and how much of it."""

from __future__ import annotations

import time

import pytest

from drivers.webhook.templates import TemplateFailed, TemplateWrong, WebhookTemplate


def fill(template: str, body: object) -> str:
    return WebhookTemplate(template).fill({"body": body})


@pytest.mark.parametrize(
    ("template", "body", "made"),
    [
        ("{{ body.a.b }}!", {"a": {"b": "x"}}, "x!"),
        ("{{ body.a.b.c }}!", {}, "!"),
        ("{{ body['a'][0] }}", {"a": ["x"]}, "x"),
        ("{{ body }}", {"a": "{{ 7 * 7 }}"}, "{'a': '{{ 7 * 7 }}'}"),
        ('{"text": {{ body.a|tojson }}}', {"a": 'say "hi"\n</x>'}, '{"text": "say \\"hi\\"\\n\\u003c/x\\u003e"}'),
        ("{% for k, v in body|dictsort %}{{ k }}={{ v }};{% endfor %}", {"b": 1, "a": 2}, "a=2;b=1;"),
        ("{{ body.items }}", {"items": "mine"}, "mine"),
        ("{% for k, v in body.items() %}{{ k.upper() }}{{ loop.index }}{% endfor %}", {"a": 1}, "A1"),
        ("{{ body.l|map('upper')|join(', ') }} {{ body.l[0]|replace('a', 'b') }}", {"l": ["a", "c"]}, "A, C b"),
        ("{{ body.n + 1 }} {{ body.n * 2 }} {{ body.n % 2 }}", {"n": 3}, "4 6 1"),
    ],
)
def test_a_template_is_filled_with_data(template: str, body: object, made: str) -> None:
    """What is not there is nothing, and what strangers wrote is never a template."""
    assert fill(template, body) == made


@pytest.mark.parametrize(
    "template",
    [
        "{{ body.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ body.get.__globals__ }}",
        "{{ body.a.format(body) }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__ }}",
        "{{ lipsum() }}",
        "{{ range(10) }}",
        "{{ body.update(a=1) }}",
        "{% include 'x' %}",
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000s' % body }}",
        "{{ 10 ** 100000000 }}",
        "{{ body.a.ljust(1000000000) }}",
        "{{ body.l|join(body.l) }}",
        "{{ body.l|replace('x', body.l) }}",
    ],
)
def test_a_template_reaches_nothing_but_its_data(template: str) -> None:
    """Neither Python behind the values, nor files, nor a way to make much of little."""
    try:
        made = fill(template, {"a": "{0.__class__}", "l": "x" * 20_000})
    except (TemplateFailed, TemplateWrong):
        return
    assert "class" not in made
    assert len(made) < 100


def test_a_template_takes_its_time_and_no_more() -> None:
    """Loops in loops over what a stranger made long end after a second; so does what would be endless text."""
    body = {"a": list(range(10_000))}
    loops = "{% for a in body.a %}{% for b in body.a %}{% for c in body.a %}{% for d in body.a %}"
    started = time.monotonic()
    with pytest.raises(TemplateFailed, match="too long"):
        fill(f"{loops}{{% if body.a[0] %}}{{% endif %}}{'{% endfor %}' * 4}", body)
    with pytest.raises(TemplateFailed, match="64000 characters"):
        fill(f"{loops}x{'{% endfor %}' * 4}", body)
    assert time.monotonic() - started < 10


def test_a_template_sees_a_bounded_part_of_what_was_posted() -> None:
    """Long strings, lists and objects are cut, deep ones end in nothing."""
    deep: object = "end"
    for _ in range(500):
        deep = {"d": deep}
    body = {"s": "x" * 100_000, "l": [0] * 5000, "o": {str(number): 0 for number in range(5000)}, "deep": deep}
    assert fill("{{ body.s|length }} {{ body.l|length }} {{ body.o|length }}", body) == "20000 200 200"
    assert fill(f"{{{{ body.deep{'.d' * 30} }}}}", body) in {"", "None"}


def test_what_is_no_template_is_told_with_its_line() -> None:
    """As `check` shows it."""
    with pytest.raises(TemplateWrong, match="endfor") as caught:
        WebhookTemplate("one\n{% for x in body %}")
    assert caught.value.line == 2
    with pytest.raises(TemplateWrong, match="filter"):
        WebhookTemplate("{{ body|pprint }}")
