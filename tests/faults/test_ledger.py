"""The ledger finds what it is there to find."""

from __future__ import annotations

from tests.faults.ledger import Entry, Ledger, Shown, Verdict, digest


def filled(count: int, *, words: int = 3, files: tuple[bytes, ...] = ()) -> tuple[Ledger, list[Entry]]:
    ledger = Ledger()
    return ledger, [ledger.entry("a", words, files) for _ in range(count)]


def shown(*entries: Entry) -> list[Shown]:
    return [
        Shown(each.text, tuple((each.file_name(place), content) for place, content in enumerate(each.files)))
        for each in entries
    ]


def test_what_arrived_once_and_in_order_is_clean() -> None:
    """Other people's messages in between do not matter."""
    ledger, said = filled(4)
    there = [Shown("hello"), *shown(*said[:2]), Shown("b.7.0.0"), *shown(*said[2:])]
    assert ledger.verdict(there, ["a"]) == Verdict(due=4)


def test_a_lost_message_is_found() -> None:
    """One of four is missing."""
    ledger, said = filled(4)
    assert ledger.verdict(shown(said[0], *said[2:]), ["a"]) == Verdict(due=4, lost=1)


def test_a_message_that_need_not_arrive_is_not_lost() -> None:
    """But where it is there, it is looked at like any."""
    ledger, said = filled(4)
    excused = {"a": {1}}
    assert ledger.verdict(shown(said[0], *said[2:]), ["a"], excused=excused) == Verdict(due=3)
    assert ledger.verdict(shown(*said, said[1]), ["a"], excused=excused) == Verdict(due=3, repeated=1)


def test_a_repeated_message_is_found() -> None:
    """One came twice, later again."""
    ledger, said = filled(4)
    assert ledger.verdict(shown(*said, said[0]), ["a"]) == Verdict(due=4, repeated=1)


def test_a_message_out_of_order_is_found() -> None:
    """Two changed places."""
    ledger, said = filled(4)
    assert ledger.verdict(shown(said[0], said[2], said[1], said[3]), ["a"]) == Verdict(due=4, disordered=1)


def test_a_text_may_come_in_pieces_of_which_none_is_missing() -> None:
    """Three pieces of one text; then without the second, with the second twice, and with two in the wrong order."""
    ledger, (said,) = filled(1, words=9)
    words = said.text.split(" ")
    one, two, three = (Shown("<anna> " + " ".join(words[start : start + 3])) for start in (0, 3, 6))
    assert ledger.verdict([one, two, three], ["a"]) == Verdict(due=1)
    assert ledger.verdict([one, three], ["a"]) == Verdict(due=1, lost=1)
    assert ledger.verdict([one, two, two, three], ["a"]) == Verdict(due=1, repeated=1)
    assert ledger.verdict([one, three, two], ["a"]) == Verdict(due=1, disordered=1)


def test_a_file_is_there_when_its_bytes_are() -> None:
    """Not by its name alone; and it is there once."""
    ledger, (said,) = filled(1, files=(b"one", b"two"))
    one, two = ((said.file_name(place), content) for place, content in enumerate(said.files))
    assert ledger.verdict([Shown(said.text, (one, two))], ["a"]) == Verdict(due=1)
    assert ledger.verdict([Shown(said.text, (one,))], ["a"]) == Verdict(due=1, lost=1)
    assert ledger.verdict([Shown(said.text, (one, (two[0], digest(b"tw"))))], ["a"]) == Verdict(due=1, lost=1)
    assert ledger.verdict([Shown(said.text, (one, two, one))], ["a"]) == Verdict(due=1, repeated=1)


def test_where_only_text_is_shown_a_file_has_its_name_there() -> None:
    """A label of each file, in any message."""
    ledger, (said,) = filled(1, files=(b"one",))
    label = Shown(f"[File: {said.file_name(0)}]")
    assert ledger.verdict([Shown(said.text), label], ["a"], text_alone=True) == Verdict(due=1)
    assert ledger.verdict([Shown(said.text)], ["a"], text_alone=True) == Verdict(due=1, lost=1)


def test_an_edited_message_is_there_as_it_was_last() -> None:
    """In the place of the first; or, where only text is shown, after it."""
    ledger, said = filled(2)
    before, following = said[0].text, said[1].text
    after = ledger.edit("a", 0, words=5).text
    assert ledger.verdict([Shown(after), Shown(following)], ["a"]) == Verdict(due=2)
    assert ledger.verdict([Shown(before), Shown(following)], ["a"]) == Verdict(due=2, lost=1)
    both = [Shown(before), Shown(following), Shown(f"(edited) {after}")]
    assert ledger.verdict(both, ["a"]) == Verdict(due=2, repeated=1)
    assert ledger.verdict(both, ["a"], text_alone=True) == Verdict(due=2)
    assert ledger.verdict([both[2], both[0], both[1]], ["a"], text_alone=True) == Verdict(due=2, disordered=1)
