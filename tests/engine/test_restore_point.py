"""A restore point gives its state and nothing else, whatever lies in the chain behind it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.digests import hashes_of
from backup_engine.archive.manifest import Content, archive_key
from backup_engine.archive.parts import encode_part
from backup_engine.backup import Backup
from backup_engine.chain import by_name
from backup_engine.errors import BrokenChain, DamagedArchive, UnknownCollection
from backup_engine.restore_point import RestorePoint, StoredLink, lone_restore_point, open_restore_point
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import Given, build, rebuild, shown_by_sq8, two_collections
from tests.archive.lines import Line, backup_of, batch_of_rows, changed, content_of, edited, records, state, without
from tests.engine.restores import put


def stored(line: Line, store=None):
    store = MemoryStore() if store is None else store
    for built in line.builts:
        put(store, built)
    return store


def point_of(line: Line, number: int = -1, store=None) -> RestorePoint:
    return open_restore_point(stored(line) if store is None else store, line.backup(number), line.backups)


def content(point: RestorePoint, key: str = "c0001"):
    return content_of(part.batch for part in point.parts(key))


def of(given: Given):
    return content_of(given.batches)


def nine_states() -> list[Given]:
    """Writes, overwrites, deletions, returns."""
    states = [state(range(40))]
    for number in range(1, 9):
        after = changed(states[-1], [number, 40 + number], seed=number)
        after = without(after, [2 * number + 10])
        states.append(changed(after, [12], seed=0) if number == 5 else after)
    return states


def line_of(states: list[Given]) -> Line:
    line = Line(states[0])
    for one in states[1:]:
        line.add(one)
    return line


# ------------------------------------------------------------------- what it gives


def test_every_point_of_a_line_gives_its_state_once():
    states = nine_states()
    line = line_of(states)
    store = stored(line)
    for number, expected in enumerate(states):
        assert content(point_of(line, number, store)) == of(expected), number


def test_digests_and_configuration_are_those_of_the_state():
    states = nine_states()
    point = point_of(line_of(states))
    found = np.concatenate([hashes_of(chunk) for chunk in point.digests("c0001")])
    full = Line(states[-1]).last.reader()
    assert np.array_equal(found, np.concatenate([hashes_of(chunk) for chunk in full.digests("c0001")]))
    assert point.configuration("c0001") == states[-1].configuration
    assert point.name == point.manifest.clear.name


def test_a_point_reads_only_the_links_of_its_chain():
    line = line_of(nine_states())
    names = [[link.reader.manifest.clear.name for link in point_of(line, n).links("c0001")] for n in range(9)]
    made = [built.sidecar.manifest.clear.name for built in line.builts]
    assert [[made.index(name) for name in chain] for chain in names] == [
        [0],
        [0, 1],
        [0, 2],
        [0, 2, 3],
        [0, 4],
        [0, 4, 5],
        [0, 4, 6],
        [0, 4, 6, 7],
        [0, 8],
    ]


def test_a_point_restores_when_everything_that_it_does_not_hang_on_is_gone():
    states = nine_states()
    line = line_of(states)
    kept = [line.builts[0], line.builts[4], line.builts[6]]
    store = MemoryStore()
    for built in kept:
        put(store, built)
    known = by_name(map(backup_of, kept))
    assert content(open_restore_point(store, line.backup(6), known)) == of(states[6])


def test_a_pointer_gives_what_it_points_to():
    first, second = state(range(20)), state(range(6), name="other")
    line = Line(first, second)
    line.add(changed(first, [1], 1), second)
    line.add(changed(first, [1], 1), second)
    assert {one.content for one in line.last.sidecar.manifest.clear.collections} == {Content.SAME}
    point = point_of(line)
    assert content(point) == of(changed(first, [1], 1))
    assert content(point, "c0002") == of(second)
    assert point.configuration("c0002") == second.configuration


def test_a_state_without_records_is_given_as_one():
    line = line_of([state(range(5)), Given("docs", [], 4), state([7])])
    assert content(point_of(line, 1)) == {}
    assert content(point_of(line, 2)) == of(state([7]))


def test_codes_stay_codes_through_a_chain():
    given = two_collections()[1]
    other = shown_by_sq8(np.random.default_rng(2).standard_normal((1, 8))).astype("<f4").tobytes()
    line = Line(given)
    line.add(edited(given, {"k2": (other, "{}")}, {"k5"}))
    parts = list(point_of(line).parts("c0001"))
    assert [part.codes is not None for part in parts] == [True, True]
    assert [len(part.codes.codes) for part in parts] == [part.batch.num_rows for part in parts] == [5, 1]
    for part in parts:
        sent = part.for_sending(quantized=True)
        assert sent.num_rows == part.batch.num_rows


STEPS = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 12), st.integers(0, 2), max_size=6), st.sets(st.integers(0, 12))),
    min_size=1,
    max_size=10,
)


@settings(max_examples=50, deadline=None)
@given(first=st.sets(st.integers(0, 12)), steps=STEPS)
def test_whatever_happens_every_point_gives_its_state(first, steps):
    states = [state(sorted(first))]
    for upserts, gone in steps:
        after = states[-1]
        for number, seed in upserts.items():
            after = changed(after, [number], seed)
        states.append(without(after, sorted(gone)))
    line = line_of(states)
    store = stored(line)
    for number, expected in enumerate(states):
        assert content(point_of(line, number, store)) == of(expected)


def test_a_full_is_a_point_by_itself(tmp_path: Path):
    built = build(*two_collections())
    point = lone_restore_point(built.reader(), temporary=tmp_path)
    assert len(content(point)) == 5
    assert len(content(point, "c0002")) == 7


def test_what_is_not_there_is_named():
    with pytest.raises(UnknownCollection, match=r"holds no collection 'c0009' .* c0001"):
        point_of(Line(state([1]))).links("c0009")


# ---------------------------------------------------------------- what breaks it


def test_a_chain_with_a_missing_link_is_no_point():
    line = line_of(nine_states())
    store = stored(line)
    known = {name: one for name, one in line.backups.items() if name != line.backup(4).name}
    with pytest.raises(BrokenChain, match=f"hangs on {line.backup(4).name}, which is not there"):
        open_restore_point(store, line.backup(7), known)


def test_a_link_of_another_run_is_not_taken():
    line = line_of(nine_states())
    other = line_of([state(range(40)), *nine_states()[2:]])
    known = dict(line.backups)
    known[line.backup(0).name] = other.backup(0)
    assert open_restore_point(stored(line), line.backup(1), known).links("c0001")
    clear = line.backup(0).manifest.clear.model_copy(update={"run_key": "ffff"})
    manifest = line.backup(0).manifest.model_copy(update={"clear": clear})
    known[line.backup(0).name] = Backup.of(manifest, line.backup(0).archive)
    with pytest.raises(BrokenChain, match="of another run"):
        open_restore_point(stored(line), line.backup(1), known)


def test_a_chain_that_gives_less_than_the_state_is_told_and_not_passed_over():
    """Whoever exchanges a part knows the format: hashes fit, and only the state's digests tell."""
    line = line_of(nine_states())
    full = line.builts[0]
    name = next(entry.name for entry in full.sidecar.archive.entries if "part-" in entry.name)
    other = batch_of_rows([*records(range(30), 0, 4).items(), *records(range(30, 40), 9, 4).items()], 4)
    store = MemoryStore()
    exchanged = rebuild(full, {name: encode_part(other).content})
    for built in (exchanged, *line.builts[1:]):
        put(store, built)
    known = by_name(map(backup_of, (exchanged, *line.builts[1:])))
    with pytest.raises(DamagedArchive, match=r"its chain of 2 archives lacks 10 records of 40"):
        content(open_restore_point(store, line.backup(1), known))


def test_a_record_that_lies_twice_in_a_part_is_given_once():
    states = [state(range(8)), changed(state(range(8)), [3], 1)]
    line = line_of(states)
    full = line.builts[0]
    name = next(entry.name for entry in full.sidecar.archive.entries if "part-" in entry.name)
    doubled = batch_of_rows([("r0", records([0], 0, 4)["r0"]), *records(range(7), 0, 4).items()], 4)
    exchanged = rebuild(full, {name: encode_part(doubled).content})
    links = (StoredLink(exchanged.reader(), "c0001"), StoredLink(line.last.reader(), "c0001"))
    point, given = RestorePoint(line.last.sidecar.manifest, {"c0001": links}), []
    with pytest.raises(DamagedArchive, match="lacks 1 record of 8"):
        given.extend(key for part in point.parts("c0001") for key in part.batch.column("id").to_pylist())
    assert sorted(given) == sorted({*given})


def test_a_damaged_link_is_found_while_it_is_read():
    line = line_of(nine_states())
    full = line.builts[0]
    part = next(entry for entry in full.sidecar.archive.entries if "part-" in entry.name)
    data = bytearray(full.data)
    data[part.offset + part.bytes // 2] ^= 1
    store = MemoryStore()
    for built in (full.with_data(bytes(data)), *line.builts[1:]):
        put(store, built)
    with pytest.raises(DamagedArchive, match=f"backup-20261122.*{part.name}"):
        content(open_restore_point(store, line.backup(5), line.backups))


# ------------------------------------------------------------------ at hand, memory


def test_a_point_at_hand_reads_each_archive_from_afar_once(tmp_path: Path):
    line = line_of(nine_states())
    store = MemoryStore(url="s3://far/store")
    stored(line, store)
    with point_of(line, 7, store).at_hand(tmp_path) as near:
        before = content(near)
        for built in line.builts:
            clear = built.sidecar.manifest.clear
            store.delete([archive_key(clear.folder, clear.name)])
        assert content(near) == before == of(nine_states()[7])
    assert list(tmp_path.iterdir()) == []


MEMORY = """
import sys, tempfile
from pathlib import Path
from backup_engine.backup import Backup
from backup_engine.archive.manifest import Folder
from backup_engine.archive.reading import load_sidecar
from backup_engine.backup import Backup
from backup_engine.chain import by_name
from backup_engine.restore_point import open_restore_point
from backup_engine.storage.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
keys = [info.key for folder in ("daily/", "incremental/") for info in store.list(folder) if info.key.endswith(".json")]
names = [(Folder(key.split("/")[0]), key.split("/")[1][:-5]) for key in keys]
sidecars = [load_sidecar(store, *name) for name in names]
backups = by_name(Backup.of(one.manifest, one.archive) for one in sidecars)
newest = max(backups.values(), key=lambda one: one.captured_at)
rows = sum(part.batch.num_rows for part in open_restore_point(store, newest, backups).parts("c0001"))
assert rows == newest.manifest.clear.vectors, rows
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024)
"""


def peak(folder: Path) -> int:
    command = [sys.executable, "-c", MEMORY, str(folder)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


def test_memory_does_not_grow_with_the_state(tmp_path: Path):
    def saved(rows: int) -> Path:
        random = np.random.default_rng(rows)
        vectors = random.standard_normal((rows, 384), dtype=np.float32)
        pages = [_page(vectors, start, min(start + 5_000, rows)) for start in range(0, rows, 5_000)]
        line = Line(Given("docs", pages, 384))
        line.add(Given("docs", [*pages[1:], _page(vectors[:5_000] + 1, 0, 5_000)], 384))
        folder = tmp_path / str(rows)
        folder.mkdir()
        stored(line, LocalStore(folder))
        return folder

    few, many = saved(20_000), saved(70_000)
    assert peak(many) - peak(few) < 40  # the records alone take 73 MiB more, decoded
    shutil.rmtree(many)


def _page(vectors: np.ndarray, start: int, stop: int):
    rows = zip(range(start, stop), vectors[start:stop], strict=True)
    return batch_of_rows([(f"r{number}", (row.tobytes(), "{}")) for number, row in rows], vectors.shape[1])
