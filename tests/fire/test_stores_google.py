"""Under fire: the same bad luck on the way to Google Cloud Storage, which is our own small one: its preconditions,
generations, checksums and resumable uploads are those that Google documents.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.model import system_clock
from backup_engine.storage.gcs.patience import Patience
from backup_engine.storage.gcs.store import GcsStore
from services.fault_proxy import FaultProxy
from services.google_storage.service import GoogleStorage
from services.proxying.rules import Answer, Rule, Seen
from tests.fire.stores_faults import LASTING, PASSING, STALLS, flips, kind_of, lasting_strikes, of_kind, strikes, struck
from tests.fire.stores_outside import fetched, manifests
from tests.fire.stores_scene import BUCKET, Journey

BUSY = Answer(503, b'{"error": {"code": 503, "message": "try again", "errors": []}}', "application/json")
BROKEN = Answer(500, b'{"error": {"code": 500, "message": "backend error", "errors": []}}', "application/json")

KINDS: dict[str, Rule] = {
    "put": Rule("drop", method="POST", path="uploadType=multipart"),
    "begin upload": Rule("drop", method="POST", path="uploadType=resumable"),
    "part": Rule("drop", method="PUT", path="upload_id="),
    "compose": Rule("drop", method="POST", path="/compose"),
    "look": Rule("drop", method="GET", path=r"^/storage/v1/b/[^/]*(/o/|\?)"),
    "get": Rule("drop", method="GET", path="^/download/"),
    "list": Rule("drop", method="GET", path=r"^/storage/v1/b/[^/]*/o\?"),
    "delete": Rule("drop", method="DELETE", path="^/storage/"),
}
NAME = f"backup-{system_clock():%Y%m}.json"


@dataclass
class Place:
    """The server, the proxy before it, and somebody who looks at it from outside."""

    service: GoogleStorage
    proxy: FaultProxy

    def __post_init__(self) -> None:
        self.outside = self.service.client()
        self.outside.create_bucket(BUCKET)


@dataclass
class GoogleJourney(Journey):
    """A run whose stores are buckets of Google's.

    :param silence: seconds a server may be silent
    :param progress: seconds in which something has to go through
    """

    scheme: str = "gs"
    silence: float = 20
    progress: float = 20

    def store(self, name: str) -> GcsStore:
        patience = Patience(5, self.silence, self.progress, first_pause=0.01, longest_pause=0.05)
        return GcsStore(self.client, self.bucket, f"{self.name}/{name}", patience=patience)


@contextmanager
def ground(folder: Path):
    with GoogleStorage(folder) as service, FaultProxy(service.url) as proxy:
        yield Place(service, proxy)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with ground(tmp_path_factory.mktemp("google")) as made:
        yield made


@pytest.fixture(scope="module")
def client(place):
    return place.service.client(place.proxy.url)


@pytest.fixture(scope="module")
def counts(place, client) -> Counter:
    journey = GoogleJourney(place, client)
    place.proxy.clear()
    assert journey() == journey.whole
    assert journey.complaints() == []
    found = Counter(kind_of(seen, KINDS) for seen in place.proxy.requests())
    assert found.keys() == KINDS.keys()
    return found


def told_by_google(fault: Rule) -> Rule:
    """Answer as this server does."""
    if fault.what != "answer":
        return fault
    return replace(fault, answer=BUSY if fault.side == "request" else BROKEN)


def assert_converges(journey: GoogleJourney) -> None:
    journey.clock = lambda: system_clock() + timedelta(minutes=3)  # the lease of a restore that died is over
    assert journey() == journey.whole
    assert [backup.manifest.clear.state for backup in journey.backups()] == [BackupState.GOOD]
    assert journey.complaints() == []


@pytest.mark.parametrize("fault", PASSING)
def test_what_happens_once_to_a_request_of_each_kind_is_got_over(place, client, counts, fault):
    rule = told_by_google(PASSING[fault])
    for rules in strikes(counts, rule, [*PASSING].index(fault), KINDS):
        journey = GoogleJourney(place, client)
        error = struck(journey, rules)
        assert error is None, f"{rules}: {error}"
        assert [backup.manifest.clear.state for backup in journey.backups()] == [BackupState.GOOD]
        assert journey.complaints() == []


@pytest.mark.parametrize("fault", STALLS)
def test_a_server_that_is_silent_for_longer_than_the_client_waits_is_asked_again(place, client, counts, fault):
    some = {kind: counts[kind] for kind in ("put", "part", "compose", "get")}
    for rules in strikes(some, STALLS[fault], [*STALLS].index(fault), KINDS):
        journey = GoogleJourney(place, client, silence=0.7)
        assert struck(journey, rules) is None, rules
        assert journey.complaints() == []


@pytest.mark.parametrize("fault", LASTING)
def test_a_server_that_fails_from_any_request_on_leaves_nothing_half_made_and_the_next_run_ends_well(
    place, client, counts, fault
):
    rule = told_by_google(LASTING[fault])
    for nth in lasting_strikes(sum(counts.values()), [*LASTING].index(fault)):
        journey = GoogleJourney(place, client, progress=0.3)
        error = struck(journey, [replace(rule, nth=nth)])
        assert isinstance(error, StoreUnavailable), f"request {nth}: {error!r}"
        assert f"gs://{BUCKET}/" in str(error)
        assert journey.complaints(at_rest=False) == []
        journey.progress = 20
        assert_converges(journey)


@pytest.mark.parametrize("kind", ["put", "part"])
def test_a_byte_that_changes_on_the_way_up_is_refused_and_nothing_of_it_is_kept(place, client, kind):
    journey = GoogleJourney(place, client)
    error = struck(journey, [of_kind(kind, Rule("flip", size=700), 2, KINDS)])
    assert error is None or f"gs://{BUCKET}/" in str(error), error
    assert journey.complaints(at_rest=False) == []
    assert_converges(journey)


def test_a_byte_that_changes_on_the_way_down_is_found_or_does_no_harm(place, client):
    for nth in flips(99, 43):
        journey, restored = GoogleJourney(place, client), []
        rule = of_kind("get", Rule("flip", "response", size=300), nth, KINDS)
        error = struck(journey, [rule], lambda journey=journey, restored=restored: restored.append(journey()))
        assert restored in ([], [journey.whole]), f"answer {nth}: another server than was backed up ({error})"
        assert journey.complaints(at_rest=False) == []
        assert_converges(journey)


@pytest.mark.parametrize("point", [r"\.tar\.gz/compose", r"/upload/.*multipart"])
def test_what_another_writer_puts_under_a_name_of_ours_is_never_written_over(place, client, point):
    journey, keys = GoogleJourney(place, client), []

    def be_first(seen: Seen) -> None:
        keys.append(f"{journey.name}/primary/monthly/{NAME}" if "multipart" in point else _composed(seen))
        place.outside.bucket(BUCKET).blob(keys[0]).upload_from_string(b"theirs")

    error = struck(journey, [Rule("meanwhile", path=point, nth=1, action=be_first)])
    assert error is None or isinstance(error, BackupError)
    assert fetched(place.outside, BUCKET, keys[0]) == b"theirs"
    assert [wrong for wrong in journey.complaints(at_rest=False) if not wrong.startswith(keys[0])] == []
    assert keys[0] not in manifests(place.outside, BUCKET, f"{journey.name}/") or error is not None
    place.outside.bucket(BUCKET).blob(keys[0]).delete()
    assert_converges(journey)


def _composed(seen: Seen) -> str:
    return unquote(seen.target.split("/o/")[1].split("/compose")[0])
