"""The timer wheel, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from routekey.clock import Deadlines
from tests.support import ManualClock


class Thing:
    """Notes when it was called, and what it is to answer."""

    def __init__(self, then: Callable[[float], float | None] = lambda now: None) -> None:
        self.timer_slot = 0
        self.calls: list[float] = []
        self.then = then

    def expired(self, now: float) -> float | None:
        self.calls.append(now)
        return self.then(now)


def wheel() -> tuple[ManualClock, Deadlines]:
    clock = ManualClock()
    return clock, Deadlines(clock)


def pass_time(clock: ManualClock, deadlines: Deadlines, seconds: float) -> None:
    clock.advance(seconds)
    deadlines.tick()


def test_a_thing_is_called_once_when_its_time_has_come() -> None:
    clock, deadlines = wheel()
    thing = Thing()
    deadlines.add(thing, clock.monotonic() + 10)
    pass_time(clock, deadlines, 9.9)
    assert thing.calls == []
    pass_time(clock, deadlines, 0.5)
    assert len(thing.calls) == 1
    pass_time(clock, deadlines, 100)
    assert len(thing.calls) == 1


def test_a_thing_that_names_a_new_time_is_called_again_then() -> None:
    clock, deadlines = wheel()
    thing = Thing(lambda now: now + 5 if len(thing.calls) < 3 else None)
    deadlines.add(thing, clock.monotonic() + 5)
    for _ in range(40):
        pass_time(clock, deadlines, 1)
    assert len(thing.calls) == 3
    assert [b - a for a, b in zip(thing.calls, thing.calls[1:], strict=False)] == [6, 6]  # ticks come once a second


def test_a_removed_thing_is_not_called() -> None:
    clock, deadlines = wheel()
    thing, other = Thing(), Thing()
    deadlines.add(thing, clock.monotonic() + 1)
    deadlines.add(other, clock.monotonic() + 1)
    deadlines.remove(thing)
    pass_time(clock, deadlines, 5)
    assert (len(thing.calls), len(other.calls)) == (0, 1)


def test_removing_what_was_never_added_or_has_been_called_is_nothing() -> None:
    clock, deadlines = wheel()
    thing = Thing()
    deadlines.remove(thing)
    deadlines.add(thing, clock.monotonic())
    pass_time(clock, deadlines, 1)
    deadlines.remove(thing)
    assert len(thing.calls) == 1


def test_a_thing_removed_by_another_that_is_due_with_it_is_not_called() -> None:
    clock, deadlines = wheel()
    things: list[Thing] = []

    def remove_the_other(now: float) -> None:
        for thing in things:
            if not thing.calls:
                deadlines.remove(thing)

    things.extend(Thing(remove_the_other) for _ in range(2))
    for thing in things:
        deadlines.add(thing, clock.monotonic() + 1)
    pass_time(clock, deadlines, 2)
    assert sorted(len(thing.calls) for thing in things) == [0, 1]


def test_a_time_that_has_passed_is_due_at_the_next_tick() -> None:
    clock, deadlines = wheel()
    pass_time(clock, deadlines, 100)
    thing = Thing()
    deadlines.add(thing, clock.monotonic() - 50)
    deadlines.tick()
    assert thing.calls == []
    pass_time(clock, deadlines, Deadlines.resolution)
    assert len(thing.calls) == 1


def test_nothing_is_lost_when_time_leaps() -> None:
    clock, deadlines = wheel()
    things = [Thing() for _ in range(50)]
    for at, thing in enumerate(things):
        deadlines.add(thing, clock.monotonic() + at * 7)
    pass_time(clock, deadlines, 100_000)
    assert [len(thing.calls) for thing in things] == [1] * 50


def test_things_are_called_in_the_order_of_their_times() -> None:
    clock, deadlines = wheel()
    order: list[int] = []
    for at in (3, 1, 2, 9, 0):
        deadlines.add(Thing(lambda now, at=at: order.append(at)), clock.monotonic() + at)  # type: ignore[misc]
    pass_time(clock, deadlines, 20)
    assert order == [0, 1, 2, 3, 9]


class Wheel(RuleBasedStateMachine):
    """Nothing is called early, nothing late by more than a tick and the resolution, nothing after its removal."""

    @initialize()
    def begin(self) -> None:
        self.clock, self.deadlines = wheel()
        self.due: dict[Thing, float] = {}
        self.all: list[Thing] = []

    @rule(seconds=st.floats(-5, 60))
    def add(self, seconds: float) -> None:
        at = self.clock.monotonic() + seconds

        def called(now: float) -> None:
            assert now >= self.due.pop(thing)

        thing = Thing(called)
        self.all.append(thing)
        self.due[thing] = at
        self.deadlines.add(thing, at)

    @rule(number=st.integers(0))
    def remove(self, number: int) -> None:
        if self.all:
            thing = self.all[number % len(self.all)]
            self.deadlines.remove(thing)
            self.due.pop(thing, None)

    @rule(seconds=st.one_of(st.floats(0, 3), st.floats(0, 500)))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.deadlines.tick()
        assert all(at > self.clock.monotonic() - 2 * Deadlines.resolution - 5 for at in self.due.values())

    @invariant()
    def nothing_is_called_twice(self) -> None:
        assert all(len(thing.calls) <= 1 for thing in self.all)

    def teardown(self) -> None:
        self.clock.advance(1000)
        self.deadlines.tick()
        assert self.due == {}
        assert self.deadlines._buckets == {}


Wheel.TestCase.settings = settings(
    derandomize=True, database=None, deadline=None, max_examples=60, stateful_step_count=30
)
test_any_use_of_the_wheel_keeps_its_promises = Wheel.TestCase
