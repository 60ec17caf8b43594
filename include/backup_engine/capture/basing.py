"""What an incremental builds on: for each collection the state it is compared with, or why it is stored whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind, Base, CollectionSummary, ServerVersion, Standing
from backup_engine.backup import Backup
from backup_engine.capture.plan import Basis
from backup_engine.chain import Backups, Link, breaks, by_name, chain_of
from backup_engine.model import CollectionState, ServerFacts
from backup_engine.readiness import started_since

BETWEEN_READINGS = timedelta(hours=24)
"""A collection of which the server says that nothing changed is read all the same when the last reading is older."""

_CLOCK_STEP = timedelta(seconds=5)  # uptime comes in whole seconds
_MOST_REMARKS = 5  # about older backups that are skipped
_SUITABLE = frozenset({Standing.WHOLE, Standing.FUZZY})


@dataclass(frozen=True, slots=True)
class Found:
    """What the server and the store say when a capture is planned.

    :param started_at: when the capture began
    :param answered_at: when ``facts`` came
    :param version: the server's, and since when it runs, as the capture will state them
    :param restore_fencing: number of the server's last restore
    """

    facts: ServerFacts
    states: Sequence[CollectionState]
    started_at: datetime
    answered_at: datetime
    version: ServerVersion
    restore_fencing: int


@dataclass(frozen=True, slots=True)
class Bases:
    """What was decided.

    :param of: by the collection's name; one that is not here is stored whole
    :param remarks: why, for people
    """

    of: Mapping[str, Basis]
    remarks: tuple[str, ...]


def choose_bases(backups: Sequence[Backup], found: Found) -> Bases:
    """Decide what each collection is compared with.

    The newest good backup of the whole scope counts, if all it hangs on is there; else one before it. Nothing of it is
    used after a restore, an upgrade or a start of the server: values have changed then without anybody's doing.

    :param backups: all that the store holds
    """
    known = by_name(backups)
    newest, remarks = _newest(backups, known, found.started_at)
    if newest is None:
        return Bases({}, (*remarks, "stored whole: there is no good backup of the whole scope to build on"))
    why = _why_nothing_compares(newest, found)
    if why is not None:
        return Bases({}, (*remarks, f"stored whole: {why}"))
    held = {private.name: summary for summary, private in newest.manifest.each()}
    decided = {state.name: _basis_or_why(state, held.get(state.name), newest, known, found) for state in found.states}
    bases = {name: basis for name, basis in decided.items() if isinstance(basis, Basis)}
    return Bases(bases, (*remarks, *_grouped({name: why for name, why in decided.items() if isinstance(why, str)})))


def _newest(backups: Iterable[Backup], known: Backups, now: datetime) -> tuple[Backup | None, list[str]]:
    """Find the newest that can serve, a full before an incremental of the same instant, and say which ones cannot."""
    remarks: list[str] = []
    suitable = [one for one in backups if one.good_whole]
    for backup in sorted(suitable, key=lambda one: (one.captured_at, one.kind is BackupKind.FULL, one.name))[::-1]:
        problem = _why_not(backup, known, now)
        if problem is None:
            return backup, remarks
        if len(remarks) < _MOST_REMARKS:
            remarks.append(f"not built on {backup.name}: {problem}")
    return None, remarks


def _why_not(backup: Backup, known: Backups, now: datetime) -> str | None:
    if backup.captured_at > now:
        return f"it was captured {wording.moment(backup.captured_at)}, which is to come by this clock"
    if backup.damaged:
        return "it was found damaged"
    if backup.withdrawal:
        return "it is about to be deleted"
    return next(iter(breaks(backup, known)), None)


def _why_nothing_compares(newest: Backup, found: Found) -> str | None:
    clear = newest.manifest.clear
    if clear.restore_fencing is None:
        return f"{newest.name} does not say which restore was the last before it"
    if clear.restore_fencing != found.restore_fencing:
        return f"a restore changed the server since {newest.name}"
    if clear.server.version != found.version.version:
        return f"{newest.name} is of Vectorizer {clear.server.version}, and the server is {found.version.version} now"
    if _started_since(newest, found):
        return f"the server was started since {newest.name}, which changes the values it keeps"
    return None


def _started_since(newest: Backup, found: Found) -> bool:
    clear = newest.manifest.clear
    created = {private.name: summary.created_at for summary, private in newest.manifest.each()}
    if started_since(clear.started_at, found.facts, found.states, created, found.answered_at):
        return True
    then, now = clear.server.started_at, found.version.started_at
    return then is not None and now is not None and abs(now - then) > _CLOCK_STEP


def _basis_or_why(
    state: CollectionState, held: CollectionSummary | None, newest: Backup, known: Backups, found: Found
) -> Basis | str:
    """Give what a collection is compared with, or why it is not."""
    if held is None:
        return f"new since {newest.name}"
    if held.standing not in _SUITABLE:
        return f"{held.standing.value} in {newest.name}"
    if not state.created_at or held.created_at != state.created_at:
        return f"created anew since {newest.name}"
    if held.dimension != state.dimension:
        return f"of another dimension than in {newest.name}"
    links = chain_of(newest, held.key, known)
    number = links[-1].summary.number + 1
    base = _link_for(number, links)
    read_at = held.read_at or newest.started_at
    return Basis(
        newest=_as_base(links[-1]),
        base=_as_base(base),
        vectors=held.vectors,
        dimension=held.dimension,
        configuration_sha256=held.configuration_sha256,
        number=number,
        read_at=read_at,
        unchanged=_unchanged(state, held) and timedelta(0) <= found.started_at - read_at < BETWEEN_READINGS,
    )


def _link_for(number: int, links: Sequence[Link]) -> Link:
    """Choose the base of the delta of this number: the one numbered so with its lowest set bit cleared.

    So a chain has no more links than the number has bits, and every eighth delta hangs on no other than eighth ones.
    """
    wanted = number & (number - 1)
    return max((link for link in links if link.summary.number <= wanted), key=lambda link: link.summary.number)


def _unchanged(state: CollectionState, held: CollectionSummary) -> bool:
    """Tell whether the server says that this is what was read, at one moment or while nothing moved."""
    said, says = (held.updated_at, held.counted), (state.updated_at, state.vectors)
    return held.standing is Standing.WHOLE and bool(state.updated_at) and said == says


def _as_base(link: Link) -> Base:
    return Base(
        folder=link.backup.folder,
        name=link.backup.name,
        run_key=link.backup.manifest.clear.run_key,
        key=link.summary.key,
        state_digest=link.summary.state_digest,
    )


def _grouped(whys: Mapping[str, str]) -> Iterator[str]:
    """Say it once for all collections of which it is true."""
    for why in dict.fromkeys(whys.values()):
        names = [name for name, its in whys.items() if its == why]
        yield f"stored whole, being {why}: {wording.listing(map(repr, names))}"
