"""The answers of `nextbridge init` as the command line gives them, so that nothing is asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from nextbridge.config.platforms import InstalledPlatforms, PlatformUnusable
from nextbridge.config.schemas import INSTANCE_ID, INSTANCE_ID_WORDS
from nextbridge.driver import Driver
from nextbridge.setup.draft import Draft, Member
from nextbridge.setup.questions import WrongAnswer, channel_setting, setting

__all__ = ["Flags", "answered"]


class Flags(Struct, frozen=True, kw_only=True):
    """What was given."""

    instances: tuple[str, ...]
    """`NAME=PLATFORM`."""
    settings: tuple[str, ...]
    """`NAME.KEY=VALUE`; a value that is `-` is a line of standard input."""
    channels: tuple[str, ...]
    """`NAME:KEY=VALUE[,KEY=VALUE]`: the channels of one rule."""
    rule: str


def answered(flags: Flags) -> Draft:
    """The draft. Raises WrongAnswer, which names the flag; reads standard input where one says so."""
    drivers: dict[str, type[Driver[Any, Any]]] = {}
    draft = Draft()
    for given in flags.instances:
        name, _, platform = given.partition("=")
        with _of("--instance", given):
            drivers[name] = _driver(name, platform)
        draft.begin(name, platform, drivers[name].title)
    for given in flags.settings:
        place, equals, value = given.partition("=")
        name, _, key = place.partition(".")
        with _of("--set", place):
            if not equals:
                raise WrongAnswer("write NAME.KEY=VALUE")
            driver = _named(name, drivers)
            question = setting(driver.platform, driver, key)
            draft.answer(name, question, question.read(sys.stdin.readline() if value == "-" else value))
    members = []
    for given in flags.channels:
        name, _, keys = given.partition(":")
        with _of("--channel", given):
            members.append(_member(name, keys, _named(name, drivers)))
    if members:
        draft.join(flags.rule, members)
    return draft


@contextmanager
def _of(flag: str, given: str) -> Iterator[None]:
    try:
        yield
    except WrongAnswer as wrong:
        raise WrongAnswer(f"{flag} {given}: {wrong}") from None


def _driver(name: str, platform: str) -> type[Driver[Any, Any]]:
    platforms = InstalledPlatforms()
    if platform not in platforms.names:
        raise WrongAnswer(f"write NAME=PLATFORM, with one of {', '.join(platforms.names)}")
    if not re.fullmatch(INSTANCE_ID, name):
        raise WrongAnswer(f"a name has {INSTANCE_ID_WORDS}")
    try:
        driver = platforms.get(platform)
        lack = platforms.lack(platform)
    except PlatformUnusable as error:
        raise WrongAnswer(f"{error.reason}; {error.suggestion}") from error
    if lack is not None:
        raise WrongAnswer(f"{lack.reason}; {lack.suggestion}")
    return driver


def _named(name: str, drivers: Mapping[str, type[Driver[Any, Any]]]) -> type[Driver[Any, Any]]:
    if name not in drivers:
        raise WrongAnswer(f"there is no --instance {name}=…; there are {', '.join(drivers) or 'none'}")
    return drivers[name]


def _member(name: str, keys: str, driver: type[Driver[Any, Any]]) -> Member:
    found: dict[str, Any] = {}
    for each in keys.split(","):
        key, equals, value = each.partition("=")
        if not equals:
            raise WrongAnswer("write NAME:KEY=VALUE")
        found[key] = channel_setting(driver.platform, driver, key).read(value)
    return Member(name, found)
