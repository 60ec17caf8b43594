"""What a backup hangs on, what hangs on it, and what is lost with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import Base
from backup_engine.backup import Backup
from backup_engine.chain import all_bases, bases_of, breaks, by_name, chain_of, dependents, lost_with
from backup_engine.errors import BrokenChain
from backup_engine.records import Verification, VerificationLevel
from tests.archive.lines import Line, changed, state


def line(length: int) -> Line:
    """A full and so many incrementals, each with a change of its own."""
    made = Line(state(range(4)))
    for number in range(1, length + 1):
        made.add(changed(state(range(4)), [1], number))
    return made


def damaged(backup: Backup) -> Backup:
    figures = {"entries": 1, "vectors": 0, "bytes": 1, "seconds": 0.1, "host": "here"}
    found = Verification(at=backup.captured_at, token="v", level=VerificationLevel.FULL, passed=False, **figures)
    return replace(backup, records=(found,))


def names(backups) -> list[str]:
    return [backup.name for backup in backups]


def test_a_full_hangs_on_nothing():
    full = line(0).backup()
    known = by_name([full])
    assert (bases_of(full), all_bases(full, known), breaks(full, known), lost_with(full, known)) == (set(), (), (), ())
    assert [link.backup for link in chain_of(full, "c0001", known)] == [full]


@given(st.integers(1, 20))
def test_all_bases_are_the_chain_without_its_end_oldest_first(number):
    made = LINE
    backup = made.backup(number)
    chain = [link.backup for link in chain_of(backup, "c0001", made.backups)]
    assert names(all_bases(backup, made.backups)) == names(chain[:-1])
    assert chain[0] == made.backup(0)
    assert len(chain) == number.bit_count() + 1


@given(st.integers(0, 20), st.booleans())
def test_lost_with_a_link_is_what_hangs_on_it_and_nothing_else(number, missing):
    known = dict(LINE.backups)
    link = LINE.backup(number)
    hanging = names(dependents(link.name, known.values()))
    assert set(hanging) == {one.name for one in known.values() if link in all_bases(one, LINE.backups)}
    known[link.name] = damaged(link)
    if missing:
        del known[link.name]
    broken = {one.name for one in known.values() if breaks(one, known)}
    assert broken == set(hanging)
    for name in hanging:
        assert set(names(lost_with(known[name], known))) == broken
    assert all(lost_with(one, known) == () for one in known.values() if one.name not in broken)


def test_what_is_lost_for_another_reason_is_not_named():
    known = dict(LINE.backups)
    for number in (5, 12):
        del known[LINE.backup(number).name]
    assert names(lost_with(LINE.backup(13), known)) == names([LINE.backup(number) for number in (15, 14, 13)])


def test_a_pointer_hangs_on_what_it_points_to():
    made = Line(state(range(4)))
    made.add(state(range(4)))
    assert names(all_bases(made.backup(), made.backups)) == [made.backup(0).name]
    with pytest.raises(BrokenChain, match="which is not there") as raised:
        chain_of(made.backup(), "c0001", by_name([made.backup()]))
    assert raised.value.link == made.backup(0).name


def test_a_chain_that_runs_in_a_circle_ends_in_words():
    known = dict(LINE.backups)
    second, third = LINE.backup(2), LINE.backup(3)
    known[second.name] = circling = with_base(second, third)
    assert names(all_bases(third, known)) == [second.name, third.name]
    with pytest.raises(BrokenChain, match="as it was, and it is not that now"):
        chain_of(third, "c0001", known)
    same_time = third.manifest.clear.model_copy(update={"captured_at": second.captured_at})
    known[third.name] = Backup.of(third.manifest.model_copy(update={"clear": same_time}), third.archive)
    with pytest.raises(BrokenChain, match=r"hangs on more than 64 backups; none is made so"):
        chain_of(circling, "c0001", known)


def with_base(backup: Backup, other: Backup) -> Backup:
    """The same, but it hangs on another one."""
    clear, there = backup.manifest.clear, other.manifest.clear
    base = Base(
        folder=there.folder,
        name=there.name,
        run_key=there.run_key,
        key="c0001",
        state_digest=there.collections[0].state_digest,
    )
    collections = (clear.collections[0].model_copy(update={"base": base}),)
    manifest = backup.manifest.model_copy(update={"clear": clear.model_copy(update={"collections": collections})})
    return Backup.of(manifest, backup.archive, backup.records)


LINE = line(20)
