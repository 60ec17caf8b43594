"""Chains: what a backup needs to be restored, collection by collection, back to where it was stored whole. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from backup_engine import wording
from backup_engine.archive.manifest import CollectionSummary, Content
from backup_engine.backup import Backup
from backup_engine.errors import BrokenChain
from backup_engine.outline import HangsOn

LONGEST = 64
"""Links a chain has at most; one of our own making has 18 after 100,000 deltas."""

Backups = Mapping[str, Backup]
"""Backups by name."""


@dataclass(frozen=True, slots=True)
class Link:
    """A collection as one backup stores it: whole, or as a delta."""

    backup: Backup
    summary: CollectionSummary


def by_name(backups: Iterable[Backup]) -> Backups:
    """Index backups by their names, which are unique in a store."""
    return {backup.name: backup for backup in backups}


def chain_of(backup: Backup, key: str, backups: Backups) -> tuple[Link, ...]:
    """Give all that stores a part of a collection's state, the oldest first: it is stored whole there.

    A pointer is followed and is no link itself.

    :raises BrokenChain: one of them is missing, damaged, or another than it should be
    """
    links: list[Link] = []
    link = Link(backup, _summary(backup, key, backup))
    while len(links) < LONGEST:
        if link.summary.content is not Content.SAME:
            links.append(link)
        if link.summary.content is Content.WHOLE:
            return tuple(reversed(links))
        link = _base(backup, link, backups)
    raise BrokenChain(f"{backup.name}: collection {key} hangs on more than {LONGEST} backups; none is made so")


def breaks(backup: Backup, backups: Backups, keys: Collection[str] | None = None) -> tuple[str, ...]:
    """Say what is wrong with the chains of a backup, a sentence each; nothing for one that can be restored whole.

    :param keys: of the collections that matter; None: all
    """
    broken = _broken(backup, backups).items()
    return tuple(dict.fromkeys(str(error) for key, error in broken if keys is None or key in keys))


def linked(backup: Backup, backups: Backups, keys: Collection[str] | None = None) -> tuple[Backup, ...]:
    """Give the backups in which the collections lie, but for this one: the oldest first.

    :param keys: of the collections that matter; None: all
    :raises BrokenChain: one of them is missing, damaged, or another than it should be
    """
    wanted = (one.key for one in backup.manifest.clear.collections if keys is None or one.key in keys)
    found = {link.backup.name: link.backup for key in wanted for link in chain_of(backup, key, backups)}
    others = (one for one in found.values() if one.name != backup.name)
    return tuple(sorted(others, key=lambda one: (one.captured_at, one.name)))


def restorable_keys(backup: Backup, backups: Backups) -> tuple[str, ...]:
    """Give the keys of the collections whose own chain is whole."""
    broken = _broken(backup, backups)
    return tuple(one.key for one in backup.manifest.clear.collections if one.key not in broken)


def lost_with(backup: Backup, backups: Backups) -> tuple[Backup, ...]:
    """Give every backup that cannot be restored for the same reasons as this one, itself included; newest first.

    :return: nothing, if it can be restored
    """
    reasons = {error.link for error in _broken(backup, backups).values()}
    near = [one for one in backups.values() if None in reasons or _reaches(one, backups) & reasons]
    every = sorted(near, key=lambda one: (one.captured_at, one.name), reverse=True)
    return tuple(one for one in every if any(error.link in reasons for error in _broken(one, backups).values()))


def _reaches(backup: Backup, backups: Backups) -> set[str | None]:
    """Name all that a backup hangs on, there or not, by what manifests say in short."""
    every = (backup, *all_bases(backup, backups))
    return {name for one in every for name in bases_of(one)}


def _broken(backup: Backup, backups: Backups) -> dict[str, BrokenChain]:
    """Tell by key which collections hang on what is not there."""
    found: dict[str, BrokenChain] = {}
    for summary in backup.manifest.clear.collections:
        try:
            chain_of(backup, summary.key, backups)
        except BrokenChain as error:
            found[summary.key] = error
    return found


def lacking(backup: Backup, backups: Backups) -> str | None:
    """Say what a backup hangs on that is not there or was found damaged, by what manifests say in short: what a list
    of thousands can afford. Whether a chain fits together, only ``breaks`` tells.
    """
    known, waiting = {backup.name}, [backup]
    while waiting:
        for base in waiting.pop().outline.bases:
            found = backups.get(base.name)
            if found is None:
                return f"{backup.name} hangs on {base.name}, which is not there"
            if (found.folder, found.outline.run_key) != (base.folder, base.run_key):
                return f"{backup.name} hangs on a {base.name} of another run; the one that is there does not fit it"
            if found.damaged:
                return f"{backup.name} hangs on {base.name}, which was found damaged"
            if found.name not in known:
                known.add(found.name)
                waiting.append(found)
    return None


def unbroken(backups: Backups) -> frozenset[str]:
    """Name the backups of which ``lacking`` has nothing to say, all at once. A base is never younger than what hangs on
    it, and its number is lower.
    """
    found: set[str] = set()
    for one in sorted(backups.values(), key=lambda one: (one.captured_at, one.outline.number)):
        if all(base.name in found and _usable(backups[base.name], base) for base in one.outline.bases):
            found.add(one.name)
    return frozenset(found)


def _usable(backup: Backup, base: HangsOn) -> bool:
    return (backup.folder, backup.outline.run_key) == (base.folder, base.run_key) and not backup.damaged


def bases_of(backup: Backup) -> frozenset[str]:
    """Name the backups that a backup directly hangs on."""
    return frozenset(base.name for base in backup.outline.bases)


def all_bases(backup: Backup, backups: Backups) -> tuple[Backup, ...]:
    """Give every backup that a backup hangs on, directly or not, as far as they are there: the oldest first."""
    found: dict[str, Backup] = {}
    waiting = [backup]
    while waiting:
        names = bases_of(waiting.pop()) - found.keys()
        found |= {name: backups[name] for name in names if name in backups}
        waiting += [backups[name] for name in names if name in backups]
    return tuple(sorted(found.values(), key=lambda one: (one.captured_at, one.name)))


def dependents(name: str, backups: Iterable[Backup]) -> tuple[Backup, ...]:
    """Give every backup that hangs on this one, directly or not: what is lost with it. In the order given."""
    every = tuple(backups)
    lost = {name}
    while more := {one.name for one in every if one.name not in lost and bases_of(one) & lost}:
        lost |= more
    return tuple(one for one in every if one.name in lost and one.name != name)


def _summary(backup: Backup, key: str, of: Backup) -> CollectionSummary:
    every = backup.manifest.clear.collections
    number = int(key[1:]) if key[1:].isdecimal() else 0  # keys are numbered in order: a thousand need no search
    found = next((one for one in chain(every[number - 1 : number], every) if one.key == key), None)
    if found is None:
        raise BrokenChain(
            f"{of.name} hangs on collection {key} of {backup.name}, which holds none of this key", backup.name
        )
    return found


def _base(of: Backup, link: Link, backups: Backups) -> Link:
    """Follow a link, and make sure that what is there is what was meant."""
    base = link.summary.base
    if base is None:
        raise BrokenChain(f"{link.backup.name} says neither what it holds of {link.summary.key} nor where the rest is")
    found = backups.get(base.name)
    if found is None:
        raise BrokenChain(f"{of.name} hangs on {base.name}, which is not there", base.name)
    if found.outline.run_key != base.run_key or found.folder is not base.folder:
        raise BrokenChain(
            f"{of.name} hangs on a {base.name} of another run; the one that is there does not fit it", base.name
        )
    if found.damaged:
        raise BrokenChain(
            f"{of.name} hangs on {base.name}, which was found damaged {wording.moment(found.verifications[-1].at)}",
            base.name,
        )
    summary = _summary(found, base.key, of)
    if summary.state_digest != base.state_digest or found.captured_at > link.backup.captured_at:
        raise BrokenChain(
            f"{of.name} hangs on collection {base.key} of {base.name} as it was, and it is not that now", base.name
        )
    return Link(found, summary)
