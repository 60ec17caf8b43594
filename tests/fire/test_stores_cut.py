"""Under fire: what happens to requests on the way to an S3 server, at every kind of them, before and after its effect.
Nothing is lost, nothing half-made is listed, and once it is over the next run ends well and leaves nothing behind.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.model import system_clock
from services.proxying.rules import SLOW_DOWN, Rule
from tests.fire.stores_faults import (
    KINDS,
    LASTING,
    PASSING,
    STALLED,
    STALLS,
    kind_of,
    lasting_strikes,
    of_kind,
    strikes,
    struck,
)
from tests.fire.stores_outside import manifests
from tests.fire.stores_scene import BUCKET, Ground, Journey


@pytest.fixture(scope="module")
def counts(place: Ground, client) -> Counter:
    """How many requests of each kind a run makes when nothing happens."""
    journey = Journey(place, client)
    place.proxy.clear()
    assert journey() == journey.whole
    assert journey.complaints() == []
    return Counter(kind_of(seen) for seen in place.proxy.requests())


def assert_converges(journey: Journey) -> None:
    """The same run again ends well, once the lease of a restore that died is over; nothing but backups is left."""
    journey.clock = lambda: system_clock() + timedelta(minutes=3)
    assert journey() == journey.whole
    assert [backup.manifest.clear.state for backup in journey.backups()] == [BackupState.GOOD]
    journey.sweep()
    assert journey.complaints() == []


def told(error: BackupError) -> bool:
    """Whether a message says where, what, and what to do."""
    text = str(error)
    return f"s3://{BUCKET}/" in text and 60 < len(text) < 800


def test_a_run_makes_requests_of_every_kind(counts):
    assert counts.keys() == KINDS.keys()
    assert min(counts.values()) >= 1


@pytest.mark.parametrize("fault", PASSING)
def test_what_happens_once_to_a_request_of_each_kind_is_got_over(place, client, counts, fault):
    for rules in strikes(counts, PASSING[fault], [*PASSING].index(fault)):
        journey = Journey(place, client)
        error = struck(journey, rules)
        assert error is None, f"{rules}: {error}"
        assert [backup.manifest.clear.state for backup in journey.backups()] == [BackupState.GOOD]
        journey.sweep()
        assert journey.complaints() == []


@pytest.mark.parametrize("fault", STALLS)
def test_a_server_that_is_silent_for_longer_than_the_client_waits_is_asked_again(place, counts, fault):
    hurried = place.client(read_timeout=0.5)
    for rules in strikes({kind: counts[kind] for kind in STALLED}, STALLS[fault], [*STALLS].index(fault)):
        journey = Journey(place, hurried)
        error = struck(journey, rules)
        assert error is None, f"{rules}: {error}"
        journey.sweep()
        assert journey.complaints() == []


@pytest.mark.parametrize("storm", [Rule("answer", times=1, of=6), Rule("answer", nth=20, times=4, of=60)])
def test_a_storm_of_503_that_lets_some_requests_through_is_got_over(place, client, storm):
    journey = Journey(place, client)
    assert struck(journey, [storm]) is None
    assert journey.complaints() == []


@pytest.mark.parametrize("fault", LASTING)
def test_a_server_that_fails_from_any_request_on_leaves_nothing_half_made_and_the_next_run_ends_well(
    place, counts, fault
):
    hurried = place.client(attempts=2)
    for nth in lasting_strikes(sum(counts.values()), [*LASTING].index(fault)):
        journey = Journey(place, hurried)
        error = struck(journey, [replace(LASTING[fault], nth=nth)])
        assert isinstance(error, StoreUnavailable), f"request {nth}: {error!r}"
        assert told(error), str(error)
        assert journey.complaints(at_rest=False) == []
        listed = manifests(place.outside, BUCKET, f"{journey.name}/")
        assert_converges(journey)
        assert {*listed} <= {*manifests(place.outside, BUCKET, f"{journey.name}/")}


def test_a_server_that_answers_nothing_but_503_is_asked_a_bounded_number_of_times(place):
    journey = Journey(place, place.client(attempts=3))
    journey.init()
    proxy = place.proxy
    proxy.clear()
    proxy.place(of_kind("part", Rule("answer", answer=SLOW_DOWN, times=10**6), 1))
    with pytest.raises(StoreUnavailable, match="fewer requests"):
        journey.capture()
    asked = [seen.status for seen in proxy.requests()]
    proxy.clear()
    assert 3 <= asked.count(503) <= 3 * 2, "each of two parts three times"
    assert journey.complaints() != [], "the plan is there still"
    assert not [wrong for wrong in journey.complaints() if "upload" in wrong], "and the upload was aborted"
