"""Leases: at most one holder at a time, whoever dies, sleeps or comes in between."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backup_engine.errors import LeaseHeld, LeaseLost, StoreUnavailable
from backup_engine.lease import acquire, held_by
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from tests.engine.leasing import MINUTE, HandClock, holds, take
from tests.storage.faulty import Fault, FaultyStore, Killed, fault_points, kill_points, survivor


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


class TestAtOnce:
    def test_of_many_threads_that_acquire_exactly_one_gets_it(self, store, clock):
        together = Barrier(16)

        def attempt(number):
            together.wait()
            try:
                return acquire(store, "restore", f"owner-{number}", MINUTE, clock)
            except LeaseHeld:
                return None

        for turn in range(1, 4):
            with ThreadPoolExecutor(16) as pool:
                held = [lease for lease in pool.map(attempt, range(16)) if lease]
            assert [lease.fencing for lease in held] == [turn]
            clock.advance(MINUTE)

    def test_one_thread_may_renew_while_another_works(self, store, clock):
        held = take(store, clock)

        def work(number):
            for _ in range(30):
                held.renew() if number % 2 else held.check()

        with ThreadPoolExecutor(4) as pool:
            [*pool.map(work, range(4))]
        held.check()

    @pytest.mark.parametrize("late", [timedelta(0), MINUTE])
    @pytest.mark.parametrize("work", ["acquire", "take over", "renew", "check", "release"])
    def test_another_who_comes_between_any_two_store_calls_never_holds_it_too(self, work, late):
        """``late``: the other comes while the lease is held, or after it ran out."""
        assert _most_holders(MemoryStore, work, late) <= 1

    def test_on_a_store_that_does_not_compare_versions_two_would_hold_it(self):
        assert _most_holders(_Careless, "take over", timedelta(0)) == 2


class _Careless(MemoryStore):
    def replace(self, key, data, *, version):
        return super().replace(key, data, version=self.stat(key).version)


def _most_holders(make_store, work, late):
    """Have another of the same name acquire the lease before each store call of ``work``; give the most that held it
    then.
    """
    most = 0
    for number in range(1, 5):
        inner, clock, others = make_store(), HandClock(), []
        mine = [] if work == "acquire" else [take(inner, clock)]
        if work == "take over":
            mine.clear()
            clock.advance(MINUTE)

        def intrude(inner=inner, clock=clock, others=others):
            clock.advance(late)
            with suppress(LeaseHeld):
                others.append(take(inner, clock))

        meddled = _Meddled(inner, number, intrude)
        with suppress(LeaseHeld, LeaseLost):
            if mine:
                mine[0]._store = meddled
                getattr(mine[0], work)()
            else:
                mine.append(take(meddled, clock))
        most = max(most, sum(holds(lease) for lease in [*mine, *others]))
    return most


class _Meddled(FaultyStore):
    """Somebody else acts just before the n-th call."""

    def __init__(self, inner, number, action):
        super().__init__(inner)
        self._number = number
        self._action = action

    def _begin(self, method, key, parts=0):
        begun = super()._begin(method, key, parts)
        if begun[0] == self._number:
            self._action()
        return begun


def life(clock):
    def run(store):
        with take(store, clock) as held:
            held.check()
            held.renew()
            held.check()

    return run


class TestDying:
    @pytest.mark.parametrize("fault", [*kill_points(life(HandClock()))], ids=str)
    def test_wherever_the_owner_dies_another_acquires_it_after_it_ran_out(self, clock, fault):
        left = survivor(life(clock), MemoryStore, fault)
        before, written = held_by(left, "restore", clock), [*left.list("")]
        if before is not None:
            with pytest.raises(LeaseHeld):
                take(left, clock, "second")
        clock.advance(MINUTE)
        after = take(left, clock, "second")
        after.check()
        assert after.fencing == (2 if written else 1)

    @pytest.mark.parametrize("fault", [*fault_points(life(HandClock()), error=lambda: StoreUnavailable("x"))], ids=str)
    def test_wherever_the_store_fails_once_the_lease_is_free_again_in_time(self, clock, fault):
        inner = MemoryStore()
        with pytest.raises(StoreUnavailable):
            life(clock)(FaultyStore(inner, fault))
        clock.advance(MINUTE)
        take(inner, clock, "second").check()

    def test_a_dead_owner_is_not_released_by_its_own_cleaning_up(self, clock):
        inner = MemoryStore()
        store = FaultyStore(inner, Fault(1, only=frozenset({"free_bytes"})))
        with pytest.raises(Killed), take(store, clock):
            store.free_bytes()
        assert held_by(inner, "restore", clock).owner == "first"


class _Leases(RuleBasedStateMachine):
    """Workers that acquire, renew, check, release and sleep in any order."""

    workers = st.sampled_from(["a", "b", "c"])

    def __init__(self):
        super().__init__()
        self.store, self.clock = MemoryStore(), HandClock()
        self.in_hand = []
        self.numbers = []

    @rule(owner=workers, seconds=st.integers(1, 90))
    def acquire(self, owner, seconds):
        free = held_by(self.store, "restore", self.clock) is None
        try:
            held = acquire(self.store, "restore", owner, timedelta(seconds=seconds), self.clock)
        except LeaseHeld:
            assert not free
            return
        assert free
        self.in_hand.append(held)
        self.numbers.append(held.fencing)

    @rule(at=st.integers(0, 20), step=st.sampled_from(["renew", "release"]))
    def act(self, at, step):
        if self.in_hand:
            held = self.in_hand[at % len(self.in_hand)]
            could = holds(held)
            try:
                getattr(held, step)()
            except LeaseLost:
                assert not could
            else:
                assert could or step == "release"
            assert holds(held) == (could and step == "renew")

    @rule(seconds=st.integers(0, 100))
    def sleep(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def at_most_one_holds_it(self):
        holding = [held for held in self.in_hand if holds(held)]
        assert len(holding) <= 1
        told = held_by(self.store, "restore", self.clock)
        assert [held.fencing for held in holding] == ([told.fencing] if told else [])

    @invariant()
    def no_number_comes_twice_and_each_is_the_next(self):
        assert self.numbers == [*range(1, len(self.numbers) + 1)]


def test_in_any_order_of_events_at_most_one_holds_the_lease_and_numbers_grow():
    run_state_machine_as_test(_Leases, settings=settings(max_examples=200, stateful_step_count=30, deadline=None))
