"""Pace: so much a minute, with a burst."""

from nextbridge.pace import Pace


def test_a_burst_passes_and_then_the_pace_holds() -> None:
    """The burst goes at once; what is more waits for as long as it is told, and then goes."""
    now = 100.0
    pace = Pace(60, burst=3, clock=lambda: now)
    assert [pace.take("a") for _ in range(3)] == [0, 0, 0]
    wait = pace.take("a")
    assert 0 < wait <= 1
    now += wait
    assert pace.take("a") == 0
    assert pace.take("a") > 0


def test_one_person_does_not_use_up_the_pace_of_another() -> None:
    """Each has a burst of their own."""
    pace = Pace(60, burst=1, clock=lambda: 5.0)
    assert pace.take("a") == 0
    assert pace.take("b") == 0
    assert pace.take("a") > 0


def test_rest_is_saved_up_to_the_burst_only() -> None:
    """After a long silence it is one burst again, no more."""
    now = 0.0
    pace = Pace(60, burst=2, clock=lambda: now)
    pace.take("a")
    now += 3600
    assert [pace.take("a") > 0 for _ in range(3)] == [False, False, True]
