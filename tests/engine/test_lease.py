"""Leases: held, renewed, released, lost."""

from datetime import timedelta

import pytest

from backup_engine.errors import InvalidInput, LeaseHeld, LeaseLost, StoreUnavailable, UnknownFormat, UnsafeKey
from backup_engine.lease import Lease, acquire, held_by
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from tests.engine.leasing import MINUTE, START, HandClock, take
from tests.storage.faulty import Fault, FaultyStore

CANNOT_RELEASE = Fault(1, error=lambda: StoreUnavailable("away"), only=frozenset({"replace"}))


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


class TestHolding:
    def test_a_free_lease_is_acquired_and_says_who_holds_it_until_when(self, store, clock):
        assert held_by(store, "restore", clock) is None
        held = take(store, clock)
        held.check()
        assert held.expires_at == START + MINUTE
        assert held_by(store, "restore", clock) == Lease(owner="first", fencing=1, expires_at=START + MINUTE)
        assert [info.key for info in store.list("")] == ["leases/restore.json"]

    def test_a_held_lease_names_owner_and_end_and_how_long_to_wait(self, store, clock):
        take(store, clock)
        clock.advance(timedelta(seconds=20))
        with pytest.raises(LeaseHeld, match="'first' until 2026-11-22T14:31:00") as raised:
            take(store, clock, "second")
        assert raised.value.retry_after == 40.0

    def test_the_same_owner_does_not_get_it_twice(self, store, clock):
        take(store, clock)
        with pytest.raises(LeaseHeld):
            take(store, clock)

    def test_leases_of_other_names_do_not_matter(self, store, clock):
        take(store, clock)
        acquire(store, "restore2", "second", MINUTE, clock).check()

    def test_renewing_holds_it_for_a_full_duration_from_now(self, store, clock):
        held = take(store, clock)
        for _ in range(5):
            clock.advance(timedelta(seconds=59))
            held.renew()
        assert held.expires_at == clock.now + MINUTE
        assert held_by(store, "restore", clock).expires_at == clock.now + MINUTE
        with pytest.raises(LeaseHeld):
            take(store, clock, "second")

    def test_releasing_frees_it_at_once_and_keeps_the_number(self, store, clock):
        with take(store, clock) as held:
            assert held.fencing == 1
        assert held_by(store, "restore", clock) is None
        with pytest.raises(LeaseLost, match="was released"):
            held.check()
        with pytest.raises(LeaseLost, match="was released"):
            held.renew()
        assert take(store, clock, "second").fencing == 2

    def test_a_released_lease_is_free_by_a_clock_that_is_behind_too(self, store, clock):
        take(store, clock).release()
        clock.advance(timedelta(days=-1))
        assert take(store, clock, "second").fencing == 2

    @pytest.mark.parametrize("duration", [timedelta(0), timedelta(seconds=-1)])
    def test_a_duration_that_is_none_is_refused(self, store, clock, duration):
        with pytest.raises(InvalidInput, match="positive"):
            acquire(store, "restore", "first", duration, clock)

    @pytest.mark.parametrize("name", ["", "../x", "a b", "ä"])
    def test_a_name_that_is_no_key_is_refused(self, store, clock, name):
        with pytest.raises(UnsafeKey):
            acquire(store, f"{name}/..", "first", MINUTE, clock)

    def test_what_is_no_lease_is_an_error_that_says_what_to_do(self, store, clock):
        store.create("leases/restore.json", [b"{}"])
        with pytest.raises(UnknownFormat, match=r"leases/restore\.json.*remove it"):
            take(store, clock)


class TestLosing:
    def test_a_lease_ends_at_its_end_and_not_before(self, store, clock):
        held = take(store, clock)
        clock.advance(MINUTE - timedelta(microseconds=1))
        held.check()
        with pytest.raises(LeaseHeld):
            take(store, clock, "second")
        clock.advance(timedelta(microseconds=1))
        with pytest.raises(LeaseLost, match="ended at"):
            held.check()
        assert take(store, clock, "second").fencing == 2

    def test_who_slept_and_was_taken_over_cannot_renew_check_or_release(self, store, clock):
        slept = take(store, clock)
        clock.advance(MINUTE)
        other = take(store, clock, "second")
        with pytest.raises(LeaseLost, match="taken over by 'second' as number 2"):
            slept.renew()
        with pytest.raises(LeaseLost, match="taken over by 'second' as number 2"):
            slept.check()
        slept.release()
        other.check()
        assert held_by(store, "restore", clock).owner == "second"

    def test_who_ran_out_cannot_renew_even_when_nobody_took_over(self, store, clock):
        held = take(store, clock)
        clock.advance(MINUTE)
        with pytest.raises(LeaseLost):
            held.renew()

    def test_a_lease_that_disappears_is_lost(self, store, clock):
        held = take(store, clock)
        store.delete(["leases/restore.json"])
        with pytest.raises(LeaseLost, match="gone"):
            held.check()

    def test_an_error_in_the_block_is_what_is_raised_and_the_lease_is_free(self, store, clock):
        with pytest.raises(ValueError, match="the work failed"), take(store, clock):
            raise ValueError("the work failed")
        assert held_by(store, "restore", clock) is None

    def test_an_error_in_the_block_goes_before_one_of_releasing(self, clock):
        store = FaultyStore(
            MemoryStore(), Fault(1, error=lambda: StoreUnavailable("away"), only=frozenset({"replace"}))
        )
        with pytest.raises(ValueError, match="the work failed") as raised, take(store, clock):
            raise ValueError("the work failed")
        assert "could not be released" in raised.value.__notes__[0]

    def test_an_error_of_releasing_is_raised_when_there_is_no_other(self, clock):
        store = FaultyStore(
            MemoryStore(), Fault(1, error=lambda: StoreUnavailable("away"), only=frozenset({"replace"}))
        )
        with pytest.raises(StoreUnavailable, match="away"), take(store, clock):
            pass
