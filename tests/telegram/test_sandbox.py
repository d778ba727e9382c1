"""What no client library shows of the stand-in: what it forgets with time, and whom it tells what."""

from __future__ import annotations

from nextbridge.sandbox.telegram import Account, SandboxTelegram

_DAY = 24 * 3600


class _Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def heard(bot: Account) -> list[str | None]:
    """The texts that wait for a bot."""
    return [update.message.text for update in bot.inbox.waiting if update.message is not None]


def test_what_is_a_day_old_is_told_to_nobody() -> None:
    """Updates that were not asked for by then are gone."""
    clock = _Clock()
    sandbox = SandboxTelegram(clock=clock)
    ann, bot = sandbox.add_person("Ann"), sandbox.add_bot("relay_bot", privacy=False)
    town = sandbox.add_supergroup("Town", [ann, bot.user])
    sandbox.say(ann, town, "old")
    clock.now += _DAY - 1
    sandbox.say(ann, town, "new")
    assert heard(bot) == ["old", "new"]
    clock.now += 2
    assert heard(bot) == ["new"]


def test_privacy_leaves_what_is_meant_for_the_bot() -> None:
    """Commands for it, answers to it and service messages; an administrator hears everything."""
    sandbox = SandboxTelegram()
    ann, bob = sandbox.add_person("Ann"), sandbox.add_person("Bob")
    shy, other = sandbox.add_bot("shy_bot"), sandbox.add_bot("other_bot")
    town = sandbox.add_supergroup("Town", [ann, shy.user, other.user])
    for text in ("hello", "/start", "/start@shy_bot", "/start@other_bot", "hi @shy_bot"):
        sandbox.say(ann, town, text)
    assert heard(shy) == ["/start@shy_bot"]
    sandbox.come(town, bob)
    assert heard(shy) == ["/start@shy_bot", None]
    sandbox.promote(town, other.user)
    sandbox.say(ann, town, "anything")
    assert (heard(shy)[-1], heard(other)[-1]) == (None, "anything")


def test_reactions_are_told_to_administrators_that_ask_for_them() -> None:
    """Neither to a plain member, nor to one who did not name them in allowed_updates."""
    sandbox = SandboxTelegram()
    ann = sandbox.add_person("Ann")
    bots = [sandbox.add_bot(name, privacy=False) for name in ("plain_bot", "silent_bot", "asking_bot")]
    town = sandbox.add_supergroup("Town", [ann, *(bot.user for bot in bots)])
    for bot in bots[1:]:
        sandbox.promote(town, bot.user)
    for bot in (bots[0], bots[2]):
        bot.inbox.allow(("message", "message_reaction"))
    said = sandbox.say(ann, town, "news")
    sandbox.react(ann, town, said.message_id, "👍")
    told = [[update for update in bot.inbox.waiting if update.message_reaction] for bot in bots]
    assert [len(each) for each in told] == [0, 0, 1]
