"""The words of a command, and how a message is seen to be one."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from nextbridge.envelope import Posted
from nextbridge.markup import Paragraph, RichText, Text, plain_text

__all__ = ["Command", "begins_with_prefix", "parse", "recognise"]

Verb: TypeAlias = Literal["help", "bind", "confirm", "accept", "rm", "list", "unknown"]

_BIND_VERBS: dict[str, Verb] = {"confirm": "confirm", "accept": "accept", "rm": "rm", "list": "list"}
_LONGEST = 200
"""Characters; what is longer is no command, whatever it begins with, but for its prefix."""


class Command(Struct, frozen=True):
    """What somebody asks the relay to do."""

    verb: Verb
    """`unknown`: it speaks to the relay, in words that the relay does not know."""
    argument: str = ""


def recognise(event: Posted, prefix: str, own_name: str) -> Command | None:
    """The command that a message is, or None where it is an ordinary one.

    It is one by its first word, `!prefix`; or it speaks to the relay, and does so in the words of a command; or it is
    said to the relay alone.
    """
    if event.action:
        return None
    if begins_with_prefix(event.text, prefix):
        return parse(_words(event.text).split(maxsplit=1)[1:])
    if not (event.direct or event.addressed):
        return None
    words = _words(event.text)
    first, *rest = words.split(maxsplit=1) or [""]
    named = bool(own_name) and first.removeprefix("@").rstrip(":,").casefold() == own_name.casefold()
    command = parse(rest if named else [words])
    if event.direct:
        return command
    # to others it may be a sentence that begins with our name
    is_one_line = len(event.text.blocks) == 1 and not event.attachments
    return command if named and rest and is_one_line and _is_meant(command, rest[0]) else None


def begins_with_prefix(text: RichText, prefix: str) -> bool:
    """Whether the first word of `text` is `!prefix`."""
    match text.blocks:
        case (Paragraph((Text(first), *more)), *_) if first.startswith("!"):
            word, *rest = first.split(maxsplit=1)
            # a word goes on in a neighbour that is no white space
            ends = bool(rest) or first[-1].isspace() or not more or plain_text((more[0],))[:1].isspace()
            return ends and word[1:].casefold() == prefix.casefold()
        case _:
            return False


def parse(rest: list[str]) -> Command:
    """The command of the words behind the prefix: nothing, or all of them in one string."""
    words = rest[0].split() if rest and len(rest[0]) <= _LONGEST else ["?"] if rest else []
    match [word.casefold() for word in words[:2]]:
        case [] | ["help"]:
            return Command("help")
        case ["bind"]:
            return Command("bind")
        case ["bind", word] if verb := _BIND_VERBS.get(word):
            # a code may be typed in groups
            argument = "".join(words[2:])
            if verb == "rm" or bool(argument) == (verb != "list"):
                return Command(verb, argument)
    return Command("unknown")


def _is_meant(command: Command, words: str) -> bool:
    """Whether words that follow the relay's name are surely said to it; a code, even mistyped, goes nowhere else."""
    if command.verb != "unknown":
        return True
    match words.casefold().split():
        case ["bind", word, *_]:
            return word in _BIND_VERBS
        case _:
            return False


def _words(text: RichText) -> str:
    """The words of `text` in one line: nobody writes a command in a list or a quote."""
    match text.blocks:
        case (Paragraph(children), *_):
            return plain_text(children).strip()
        case _:
            return ""
