"""Under fire: an S3 server, or somebody on the way to it or beside us, does what nobody asked for. What is wrong is
found and named, never listed, never restored; what is theirs stays theirs; the next run ends well.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from botocore.exceptions import ClientError

from backup_engine.archive.manifest import BackupState, archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.copies.reaching import find_backup
from backup_engine.errors import (
    BackupError,
    DamagedArchive,
    LeaseHeld,
    LeaseLost,
    StoreNotInitialised,
)
from backup_engine.findings import Level
from backup_engine.lease import acquire
from backup_engine.model import system_clock
from backup_engine.records import VerificationLevel
from backup_engine.storage.checking import check_store
from backup_engine.storage.opening import open_store
from backup_engine.storage.s3.refusals import UploadGone
from services.proxying.rules import Rule, Seen
from tests.fire.faults import EVERY
from tests.fire.stores_faults import DENIED, flips, of_kind, struck
from tests.fire.stores_outside import complaints, fetched, listed, manifests, uploads
from tests.fire.stores_scene import BUCKET, Ground, Journey

TEN_MINUTES = timedelta(minutes=10)
FLIP = Rule("flip", size=100)
POINTS = (
    r"commit\.json",
    "names/runs/",
    r"names/backup-[0-9]*$",
    r"monthly/.*\.tar\.gz\?uploadId",
    r"monthly/[^/]*json",
)


@pytest.fixture
def journey(place: Ground, client) -> Journey:
    return Journey(place, client)


def assert_converges(journey: Journey) -> None:
    journey.clock = lambda: system_clock() + timedelta(minutes=3)  # the lease of a restore that died is over
    assert journey() == journey.whole
    assert [backup.manifest.clear.state for backup in journey.backups()] == [BackupState.GOOD]
    journey.sweep()
    assert journey.complaints() == []


def assert_captures(journey: Journey) -> None:
    """The same run again makes its backup, which is all that lies there, and whole."""
    journey.capture()
    assert [backup.manifest.clear.state for backup in journey.backups()] == [BackupState.GOOD]
    journey.sweep()
    assert journey.complaints() == []


# ---------------------------------------------------------------- wrong bytes


@pytest.mark.parametrize("kind", ["put", "part", "complete upload", "delete"])
def test_a_byte_that_changes_on_the_way_up_is_refused_and_nothing_of_it_is_kept(place, client, kind):
    for nth in flips(99, 3):
        journey = Journey(place, client)
        error = struck(journey, [of_kind(kind, FLIP, nth)], journey.capture)
        assert error is None or "s3://" in str(error), error
        assert journey.complaints(at_rest=False) == []
        assert_captures(journey)


def test_a_byte_that_changes_on_the_way_down_is_found_or_does_no_harm(place, client):
    for nth in flips(40, 65):
        journey, restored = Journey(place, client), []
        error = struck(
            journey, [of_kind("get", Rule("flip", "response", size=300), nth)], partial(into, restored, journey)
        )
        assert restored in ([], [journey.whole]), f"answer {nth}: another server than was backed up ({error})"
        assert journey.complaints(at_rest=False) == []
        assert_converges(journey)


def into(restored: list, journey: Journey) -> None:
    restored.append(journey())


def test_a_verification_names_what_came_wrong_and_passes_when_it_comes_right(place, journey):
    committed = journey.capture()
    place.proxy.clear()
    place.proxy.place(Rule("flip", "response", path=r"\.tar\.gz", header="range: bytes=1047-", size=5_000))
    report = journey.verify(committed)
    place.proxy.clear()
    assert not report.passed
    assert "part-00000" in str(report.problems[0])
    assert journey.verify(committed).passed


# ---------------------------------------------------------------- truncated, with the right name


def truncate(place: Ground, key: str) -> None:
    whole = fetched(place.outside, BUCKET, key)
    place.outside.put_object(Bucket=BUCKET, Key=key, Body=whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize("level", [*VerificationLevel][:2], ids=str)
def test_a_truncated_archive_is_named_by_verification_and_read_from_the_copy(place, client, journey, level):
    committed = journey.capture()
    journey.copy_out(committed)
    truncate(place, f"{journey.name}/primary/{archive_key(committed.folder, committed.name)}")
    assert any("bytes, its manifest says" in wrong for wrong in journey.complaints()), "the judge sees it, too"
    report = journey.verify(committed, level=level)
    assert not report.passed
    assert f"{committed.bytes:,}" in str(report.problems[0])
    roots = [journey.url("primary"), journey.url("copy")]
    found = find_backup(roots, lambda url: open_store(url, client), committed.name, journey.clock)
    assert found.url == journey.url("copy")
    assert "primary" in found.passed_over[0]
    assert journey.restore(committed) == journey.whole


def test_a_truncated_manifest_makes_no_backup(place, journey):
    committed = journey.capture()
    truncate(place, f"{journey.name}/primary/{sidecar_key(committed.folder, committed.name)}")
    assert any("is no JSON" in wrong for wrong in journey.complaints()), "the judge sees it, too"
    catalog = Catalog(journey.primary, journey.clock)
    assert catalog.backups() == ()
    assert committed.name in str(catalog.unreadable)


def test_a_truncated_archive_under_the_name_of_a_commit_is_no_backup_and_stays_theirs_until_it_is_removed(
    place, journey
):
    keys = []

    def leave_a_stump(seen: Seen) -> None:
        keys.append(seen.target.partition("?")[0].removeprefix(f"/{BUCKET}/"))
        place.outside.put_object(Bucket=BUCKET, Key=keys[0], Body=b"\x1f\x8b" + b"half an archive")

    error = struck(
        journey, [Rule("meanwhile", path=r"monthly/.*\.tar\.gz\?uploads", action=leave_a_stump)], journey.capture
    )
    assert isinstance(error, DamagedArchive)
    assert keys[0] in str(error)
    assert "remove the object" in str(error)
    assert manifests(place.outside, BUCKET, f"{journey.name}/") == []
    place.outside.delete_object(Bucket=BUCKET, Key=keys[0])
    assert_captures(journey)


# ---------------------------------------------------------------- what may not be done


def test_where_nothing_may_be_deleted_the_backup_is_good_and_what_is_left_over_is_told(place, journey):
    told = []
    assert struck(journey, [of_kind("delete", DENIED, 1)], lambda: told.append(journey.capture().left_over)) is None
    assert "s3:DeleteObject" in told[0]
    assert f"{journey.name}/primary/.staging/" in told[0]
    (backup,) = journey.backups()
    assert backup.manifest.clear.state is BackupState.GOOD
    assert {wrong.split("/.staging/")[0] for wrong in journey.complaints()} == {f"{journey.name}/primary"}
    assert_converges(journey)


# ---------------------------------------------------------------- the bucket goes


def remove(place: Ground, bucket: str) -> None:
    for one in place.outside.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        place.outside.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
    for key in listed(place.outside, bucket, ""):
        place.outside.delete_object(Bucket=bucket, Key=key)
    place.outside.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("at", [r"fragment\?uploadId=[^&]*$", r"monthly/.*\.json", "leases/restore"])
def test_a_bucket_that_is_removed_in_the_middle_is_an_error_in_words_and_made_again_all_is_well(place, client, at):
    journey = Journey(place, client, bucket=f"short-lived-{len(at)}")
    place.outside.create_bucket(Bucket=journey.bucket)
    error = struck(
        journey, [Rule("meanwhile", path=at, action=lambda _: remove(place, journey.bucket))], journey.capture
    )
    assert isinstance(error, StoreNotInitialised | UploadGone), repr(error)
    again = struck(journey, [], journey.capture)
    assert isinstance(again, StoreNotInitialised), repr(again)
    assert f"s3://{journey.bucket}/" in str(again)
    assert "make it" in str(again)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        place.outside.list_objects_v2(Bucket=journey.bucket)
    place.outside.create_bucket(Bucket=journey.bucket)
    assert_captures(journey)


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize("off", [TEN_MINUTES, -TEN_MINUTES], ids=["ahead", "behind"])
def test_a_clock_that_is_ten_minutes_off_changes_no_backup_and_is_told_by_the_check(place, client, off):
    journey = Journey(place, client, clock=lambda: system_clock() + off)
    assert journey() == journey.whole
    assert journey.complaints() == []
    (backup,) = Catalog(journey.primary, system_clock).backups()
    assert backup.manifest.clear.state is BackupState.GOOD
    assert abs(backup.manifest.clear.captured_at - journey.clock()) < TEN_MINUTES / 2
    findings = {finding.what: finding for finding in check_store(journey.primary, journey.clock, "c1")}
    clocks = [one for what, one in findings.items() if "clock" in what]
    assert [one.level for one in clocks] != [Level.OK]
    assert any(f"{seconds} s" in clocks[0].found for seconds in range(590, 611)), clocks
    right = {finding.what: finding for finding in check_store(journey.primary, system_clock, "c2")}
    assert right[clocks[0].what].level is Level.OK


def test_of_two_workers_whose_clocks_differ_never_both_hold_a_lease_and_go_on(journey):
    journey.init()
    store, minute = journey.primary, timedelta(minutes=1)
    ahead, behind = (lambda off=off: system_clock() + off for off in (TEN_MINUTES, -TEN_MINUTES))
    with acquire(store, "long", "ahead", minute, ahead) as held, pytest.raises(LeaseHeld):
        acquire(store, "long", "right", minute, system_clock)
    first = acquire(store, "short", "behind", minute, behind)
    second = acquire(store, "short", "right", minute, system_clock)
    assert second.fencing == first.fencing + 1
    second.check()
    for step in (first.check, first.renew):
        with pytest.raises(LeaseLost, match="right"):
            step()
    assert held.fencing == 1


# ---------------------------------------------------------------- somebody else


@pytest.mark.parametrize("point", POINTS)
def test_what_another_writer_puts_under_a_name_of_ours_is_never_written_over(place, client, point):
    journey = Journey(place, client)
    assert_theirs_stays(journey, Rule("meanwhile", path=point, header="if-none-match"), journey.capture)
    assert_captures(journey)


def test_what_another_writer_puts_where_a_copy_or_a_restore_writes_stays_theirs(place, client):
    for nth in range(12, 24) if EVERY else [20]:
        journey = Journey(place, client)
        assert_theirs_stays(journey, Rule("meanwhile", header="if-none-match", nth=nth), journey)
        assert_converges(journey)


def assert_theirs_stays(journey: Journey, rule: Rule, work: Callable[[], object]) -> None:
    outside, keys = journey.ground.outside, []

    def be_first(seen: Seen) -> None:
        key = seen.target.partition("?")[0].removeprefix(f"/{BUCKET}/")
        outside.put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
        keys.append(key)

    error = struck(journey, [replace(rule, action=be_first)], work)
    assert keys, "nobody was first"
    for key in keys:
        assert fetched(outside, BUCKET, key) == b"theirs"
        assert error is None or isinstance(error, BackupError)
        assert [wrong for wrong in journey.complaints(at_rest=False) if not wrong.startswith(key)] == []
        outside.delete_object(Bucket=BUCKET, Key=key)


def test_two_runs_that_commit_at_the_same_moment_get_a_name_each(place, client):
    journey, other = Journey(place, client), Journey(place, client)
    own, other.name = other.name, journey.name
    journey.init()
    with ThreadPoolExecutor(2) as threads:
        made = [*threads.map(lambda work: work(), [journey.capture, partial(other.capture, own)])]
    assert len({one.name for one in made}) == 2
    assert {backup.name for backup in journey.backups()} == {one.name for one in made}
    assert journey.complaints() == []


# ---------------------------------------------------------------- the judge


def spoil(outside, prefix: str, how: str) -> None:
    (manifest,) = manifests(outside, BUCKET, prefix)
    archive = manifest.replace(".json", ".tar.gz")
    if how == "removed":
        outside.delete_object(Bucket=BUCKET, Key=archive)
    elif how == "flipped":
        data = bytearray(fetched(outside, BUCKET, archive))
        data[len(data) // 2] ^= 1
        outside.put_object(Bucket=BUCKET, Key=archive, Body=bytes(data))
    elif how == "orphan":
        outside.delete_object(Bucket=BUCKET, Key=manifest)
    elif how == "staged":
        outside.put_object(Bucket=BUCKET, Key=f"{prefix}primary/.staging/x/plan.json", Body=b"{}")
    else:
        outside.create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}primary/x")


@pytest.mark.parametrize("how", ["removed", "flipped", "orphan", "staged", "upload"])
def test_the_judge_complains_of_everything_that_it_is_to_find(place, journey, how):
    journey.capture()
    prefix = f"{journey.name}/"
    assert complaints(place.outside, BUCKET, prefix, at_rest=True) == []
    spoil(place.outside, prefix, how)
    assert complaints(place.outside, BUCKET, prefix, at_rest=True) != []
    assert bool(complaints(place.outside, BUCKET, prefix, at_rest=False)) == (how in {"removed", "flipped"})
    for key in uploads(place.outside, BUCKET, prefix):
        journey.primary.sweep_uploads(timedelta(0))
        assert key not in uploads(place.outside, BUCKET, prefix)
