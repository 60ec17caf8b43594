"""Incrementals that lie: what they claim is compared with itself before anything of them is read."""

from __future__ import annotations

import json

import pytest

from backup_engine.archive.digests import HASH_BYTES
from backup_engine.archive.manifest import BackupKind, Content
from backup_engine.archive.reading import ArchiveReader
from backup_engine.errors import DamagedArchive, HostileArchive
from tests.archive.builder import Built, rebuild
from tests.archive.lines import Line, changed, state, without
from tests.archive.test_hostile import collection, edited, update

DELTA, SAME, WHOLE = (f"manifest.clear.collections.{number}" for number in range(3))


@pytest.fixture(scope="module")
def built() -> Built:
    """A delta, a pointer, and a new collection."""
    first, second = state(range(20)), state(range(5), name="still")
    line = Line(first, second)
    return line.add(changed(without(first, [1, 2]), [3, 30], 1), second, state(range(4), name="young"))


def all_of(*edits):
    def edit(value):
        for one in edits:
            one(value)

    return edit


def base(number: int, **changes):
    return lambda value: collection(value, number)["base"].update(changes)


LIES = [
    ("is delta in a full", update("manifest.clear.kind", "full")),
    ("is delta and names no base", update(f"{DELTA}.base", None)),
    ("is same and names no base", update(f"{SAME}.base", None)),
    ("is delta and the delta number 0", update(f"{DELTA}.number", 0)),
    ("is whole and the delta number 3", update(f"{WHOLE}.number", 3)),
    ("is whole and names a base", lambda value: collection(value, 2).update(base=collection(value)["base"])),
    ("is whole and claims changes", update(f"{WHOLE}.upserts", 1)),
    ("is whole and claims changes", update(f"{WHOLE}.deletions", 1)),
    ("is same and claims changes", update(f"{SAME}.deletions", 1)),
    (r"digests\.parquet were expected", update(f"{DELTA}.content", "whole")),
    ("no file were expected|no file was expected", update(f"{DELTA}.content", "same")),
    (r"deleted\.parquet and digests\.parquet were expected", update(f"{WHOLE}.content", "delta")),
    (r"deleted\.parquet and digests\.parquet were expected", update(f"{SAME}.content", "delta")),
    (r"digests\.parquet were expected, not nothing", update(f"{SAME}.content", "whole")),
    (r"deleted\.parquet and digests\.parquet were", lambda value: collection(value)["entries"].pop(2)),
    (r"deleted\.parquet and digests\.parquet were", lambda value: collection(value)["entries"].reverse()),
    ("claims 65,537 vectors in 1 part", update(f"{DELTA}.upserts", 65_537)),
    ("claims 0 vectors in 1 part", update(f"{DELTA}.upserts", 0)),
    ("2 upserts in a state of 1", update(f"{DELTA}.vectors", 1)),
    (r"digests\.parquet claims .*; at least 32\.0 TB", update(f"{DELTA}.vectors", 10**12)),
    (r"deleted\.parquet claims .*; at least 16\.0 TB", update(f"{DELTA}.deletions", 10**12)),
    (r"deleted\.parquet claims 1\.0 GB; at most", update(f"{DELTA}.entries.2.bytes", 10**9)),
    ("is delta in a incremental and unreadable", update(f"{DELTA}.standing", "unreadable")),
    ("is same in a incremental and unreadable", update(f"{SAME}.standing", "unreadable")),
    ("names its own backup", lambda value: base(0, name=value["manifest"]["clear"]["name"])(value)),
    ("has another state", base(1, state_digest="0" * 64)),
    ("has another state, or parts", update(f"{SAME}.coded_parts", 1)),
    *(
        ("names a base as no backup is named", base(0, **wrong))
        for wrong in (
            {"name": "../../store"},
            {"name": "backup-2026/../x"},
            {"name": ""},
            {"name": "backup-" + "1" * 41},
            {"key": "c1"},
            {"key": "../c0001"},
            {"state_digest": ""},
            {"state_digest": "g" * 64},
        )
    ),
]


@pytest.mark.parametrize(("why", "edit"), LIES)
def test_an_incremental_that_lies_is_refused_before_it_is_read(built: Built, why: str, edit):
    source = built.source()
    with pytest.raises((HostileArchive, DamagedArchive), match=why):
        ArchiveReader(source, edited(built.sidecar, edit))
    assert source.reads == []


def test_an_honest_one_is_not(built: Built):
    reader = built.reader()
    assert edited(built.sidecar, lambda value: None) == built.sidecar
    assert [one.content for one in reader.manifest.clear.collections] == [Content.DELTA, Content.SAME, Content.WHOLE]
    assert reader.manifest.clear.kind is BackupKind.INCREMENTAL
    reader.check_frame()


@pytest.mark.parametrize("field", ["number", "upserts", "deletions"])
def test_numbers_below_zero_are_no_manifest(built: Built, field: str):
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        edited(built.sidecar, update(f"{DELTA}.{field}", -1))


def test_a_list_of_deletions_that_was_exchanged_is_refused(built: Built):
    name = next(entry.name for entry in built.sidecar.archive.entries if entry.name.endswith("deleted.parquet"))
    for other in (b"", b"PAR1", built.reader().entry(name.replace("deleted", "digests"))):
        wrong = rebuild(built, {name: other.ljust(2 * HASH_BYTES, b"\0")}).reader()
        with pytest.raises((DamagedArchive, HostileArchive), match=r"deleted\.parquet"):
            list(wrong.deleted("c0001"))


def test_a_manifest_of_a_full_does_not_need_the_words_of_incrementals(built: Built):
    """Manifests of the first release have none of them, and are read as what they are."""
    whole = json.loads(Line(state(range(3))).last.sidecar.model_dump_json())
    for word in ("content", "base", "number", "upserts", "deletions", "read_at"):
        del whole["manifest"]["clear"]["collections"][0][word]
    for word in ("restore_fencing", "synthesized_from"):
        del whole["manifest"]["clear"][word]
    del whole["manifest"]["private"]["remarks"]
    [summary] = type(built.sidecar).model_validate(whole).manifest.clear.collections
    assert (summary.content, summary.stored) == (Content.WHOLE, 3)
