"""What the witness concludes from what it hears: what IRC's guarantee excuses, and nothing else."""

from __future__ import annotations

from collections.abc import Collection

from tests.faults.network import IN_FLIGHT, Said, Witness


class Hearing(Witness):
    """A witness who is told lines."""

    def __init__(self) -> None:
        super().__init__("w", "relay")

    def comes(self, nick: str = "relay") -> None:
        self.take(f":{nick}!r@host JOIN :#c")

    def goes(self, nick: str = "relay", *, seconds_later: float = 0) -> None:
        self.take(f":{nick}!r@host QUIT :Connection reset by peer")
        if seconds_later and (ended := self.stays[-1].ended):
            self.stays[-1].ended = ended + seconds_later

    def hears(self, *texts: str, nick: str = "anna") -> None:
        for text in texts:
            self.take(f"@msgid={len(self.said)} :{nick}!x@host PRIVMSG #c :{text}")

    def repeats(self, *texts: str, nick: str = "relay") -> None:
        self.hears(*(f"<bert> {text}" for text in texts), nick=nick)

    def excused(self, taken: Collection[str]) -> list[str]:
        def was_taken(said: Said) -> bool:
            return said.text in taken

        return [said.text for said in self.unheard(was_taken)]


def test_what_is_said_while_the_relay_is_away_is_beyond_it() -> None:
    """Before it comes, and after it has gone; what is said between is not."""
    witness = Hearing()
    witness.hears("before")
    witness.comes()
    witness.hears("one", "two")
    witness.goes()
    witness.hears("after")
    assert witness.excused(["one", "two"]) == ["before", "after"]


def test_the_last_words_of_a_stay_may_have_been_on_their_way() -> None:
    """Those that were not taken, up to the last one that was: a hole before that is a loss."""
    witness = Hearing()
    witness.comes()
    witness.hears("one", "two", "three", "four")
    witness.goes()
    assert sorted(witness.excused(["one", "two"])) == ["four", "three"]
    assert witness.excused(["one", "three"]) == ["four"]
    assert witness.excused(["four"]) == []


def test_what_was_said_long_before_the_end_of_a_stay_was_not_on_its_way() -> None:
    """The relay had the time to take it."""
    witness = Hearing()
    witness.comes()
    witness.hears("one", "two")
    witness.goes(seconds_later=IN_FLIGHT + 1)
    assert witness.excused(["one"]) == []


def test_nothing_is_excused_in_a_stay_that_goes_on() -> None:
    """Whatever was not taken yet has to be."""
    witness = Hearing()
    witness.comes()
    witness.hears("one", "two")
    assert witness.excused([]) == []


def test_a_new_stay_hears_beside_one_that_has_not_ended() -> None:
    """Where the server has not yet noticed that the old connection is gone, and the new one has another nick."""
    witness = Hearing()
    witness.comes()
    witness.hears("one")
    witness.comes("relay_")
    witness.hears("two")
    witness.goes()
    witness.take(":relay_!r@host NICK :relay")
    witness.hears("three")
    witness.goes()
    witness.hears("four")
    assert sorted(witness.excused([])) == ["four", "one", "three", "two"]
    assert sorted(witness.excused(["three"])) == ["four", "one"]


def test_a_stay_may_begin_with_what_the_last_one_ended_with() -> None:
    """That message alone may be there twice; any other that is shows."""
    witness = Hearing()
    witness.comes()
    witness.repeats("one", "two")
    witness.goes()
    witness.comes()
    witness.repeats("two", "three")
    assert witness.by_relay("#c") == (["one", "two", "three"], 1)
    witness.goes()
    witness.comes()
    witness.repeats("two", "three")
    assert witness.by_relay("#c") == (["one", "two", "three", "two", "three"], 1)


def test_a_message_that_was_cut_once_more_is_one() -> None:
    """Also where it was cut the first time and not the second, or was cut off by the end of the stay."""
    witness = Hearing()
    witness.comes()
    witness.repeats("one")
    witness.hears(" and more", nick="relay")
    witness.goes()
    witness.comes()
    witness.repeats("one and more", "two")
    assert witness.by_relay("#c") == (["one and more", "two"], 1)
    witness.goes()
    witness.comes()
    witness.repeats("two and what was cut off")
    assert witness.by_relay("#c") == (["one and more", "two and what was cut off"], 2)
