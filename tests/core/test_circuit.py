"""While an instance is known to be down one lane at a time tries it."""

from __future__ import annotations

from nextbridge.circuit import Circuit
from nextbridge.envelope import Channel, ChannelKey, InstanceId

A, B, C = (Channel(InstanceId("i"), ChannelKey(key)) for key in "abc")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Circuit:
    circuit = Circuit(clock=clock)
    circuit.failed(A)
    circuit.failed(B)
    return circuit


def test_one_channel_that_fails_alone_holds_up_no_other() -> None:
    """What ails a single channel may be its own: the others go on, and so does it."""
    circuit = Circuit(clock=Clock())
    for _ in range(10):
        circuit.failed(A)
    assert not circuit.is_open
    assert circuit.wait(A) == circuit.wait(B) == 0


def test_failures_with_a_success_between_them_open_nothing() -> None:
    """An instance that takes some messages is not down."""
    circuit = Circuit(clock=Clock())
    circuit.failed(A)
    assert not circuit.succeeded()
    circuit.failed(B)
    assert not circuit.is_open


def test_while_it_is_open_one_lane_tries_at_a_time() -> None:
    """After the wait the first that asks may try; the others wait for what it finds."""
    clock = Clock()
    circuit = opened(clock)
    assert circuit.is_open
    assert circuit.wait(C) > 0
    clock.now += 2
    assert circuit.wait(C) == 0
    assert circuit.wait(A) > 0
    assert circuit.wait(B) > 0


def test_a_failed_trial_makes_the_wait_longer() -> None:
    """A server that stays down is asked more and more seldom, but at least once in a minute."""
    clock = Clock()
    circuit = opened(clock)
    waits = []
    for number in range(12):
        channel = (A, B)[number % 2]
        wait = circuit.wait(channel)
        waits.append(wait)
        clock.now += wait
        assert circuit.wait(channel) == 0
        circuit.failed(channel)
    assert waits[0] <= 1
    assert 45 <= waits[-1] <= 60


def test_the_same_channel_does_not_try_twice_while_another_waits() -> None:
    """A message that fails for its own reasons cannot keep the instance closed to the others."""
    clock = Clock()
    circuit = opened(clock)
    circuit.wait(B)
    clock.now += 2
    assert circuit.wait(A) == 0
    circuit.failed(A)
    clock.now += 5
    assert circuit.wait(A) > 0
    assert circuit.wait(B) == 0
    assert circuit.succeeded()
    assert circuit.wait(A) == circuit.wait(C) == 0


def test_a_trial_that_never_ends_is_overtaken() -> None:
    """A lane that was stopped in its trial does not keep the circuit open for ever."""
    clock = Clock()
    circuit = opened(clock)
    clock.now += 2
    assert circuit.wait(A) == 0
    clock.now += 60
    assert circuit.wait(B) == 0
