"""What goes from a store now: everything that has to be read for that, and the decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from backup_engine.archive.manifest import archive_key
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.copies.reaching import GONE
from backup_engine.errors import PruningRefused
from backup_engine.model import Clock
from backup_engine.pruning.in_use import in_use
from backup_engine.pruning.leftovers import stem_of, unfinished
from backup_engine.pruning.site import Site
from backup_engine.retention.plan import Quarantined, RetentionPlan
from backup_engine.retention.planning import CopyHolding, Setting, is_sound, plan_retention
from backup_engine.retention.quarantine import quarantined
from backup_engine.storage.contract import ListedObject, Store
from backup_engine.storage.identity import StoreIdentity, read_identity

COMMITTING = timedelta(days=1)
"""An archive without a manifest may be one that is committed now, for so long."""

Fingerprints = Mapping[str, str]
"""Of manifests, by the backup's name."""


def plan_pruning(site: Site, clock: Clock, *, trust_index: bool = True) -> RetentionPlan:
    """Say what stays in a store and what goes; nothing is changed.

    :param trust_index: False: every manifest is read, here and in the copies
    :raises PruningRefused: it is a copy, and the primary does not answer or holds nothing good
    :raises StoreNotInitialised: it is no store
    """
    return look(site, clock, trust_index=trust_index).plan


def look(site: Site, clock: Clock, *, trust_index: bool) -> Look:
    """Read all that the decision is made from; raises as ``plan_pruning`` does."""
    identity = read_identity(site.store)
    primary = _primary(site, identity, clock, trust_index=trust_index) if site.copy_of_it else None
    copies = {
        place: _copy(store, identity, clock, trust_index=trust_index) for place, store in (site.copies or {}).items()
    }
    used = in_use(site.store, clock)
    catalog = Catalog(site.store, clock, trust_index=trust_index)
    return Look(site=site, clock=clock, identity=identity, catalog=catalog, used=used, primary=primary, copies=copies)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of a store and what is around it, at one time.

    :param used: which backups are needed now, and what for; seen before the catalog was read, so that a capture that
        is committed in between is seen in the one or the other
    :param primary: names that the primary holds, where this is a copy
    :param copies: what each copy holds whole; None: it does not answer
    """

    site: Site
    clock: Clock
    identity: StoreIdentity
    catalog: Catalog
    used: Mapping[str, str]
    primary: frozenset[str] | None
    copies: Mapping[str, Fingerprints | None]

    def again(self) -> Look:
        """Look at the store anew; what is around it is as it was."""
        return replace(self, used=in_use(self.site.store, self.clock), catalog=self.catalog.again())

    @cached_property
    def plan(self) -> RetentionPlan:
        """Decide."""
        backups, strange = self._told_apart
        setting = Setting(
            deployment=self.identity.deployment,
            store=self.site.store.url,
            store_id=self.identity.store_id,
            in_use=self.used,
            copies=[CopyHolding(place, _same(backups, held)) for place, held in self.copies.items()],
            copy_grace=self.site.copy_grace,
            primary=self.primary,
            share_limit=self.site.share_limit,
        )
        return plan_retention(backups, self.site.policy, self.clock(), setting, strange)

    @property
    def backups(self) -> tuple[Backup, ...]:
        """Those that are decided about."""
        return self._told_apart[0]

    @cached_property
    def _told_apart(self) -> tuple[tuple[Backup, ...], tuple[Quarantined, ...]]:
        catalog, now = self.catalog, self.clock()
        backups, strange = quarantined(
            catalog.backups(), catalog.sizes, self.identity.deployment, catalog.unreadable, now
        )
        passing = {one.stem for one in unfinished(catalog.listed)}
        passing |= {stem_of(info.key) for info in catalog.listed.values() if _new_archive(info, now - COMMITTING)}
        manifests = {stem_of(key) for key in catalog.listed if key.endswith(".json") and key.count("/") == 1}
        passing -= manifests
        return backups, tuple(one for one in strange if stem_of(one.key) not in passing)


def _new_archive(info: ListedObject, since: datetime) -> bool:
    return info.key.endswith(".tar.gz") and info.modified_at > since


def _same(backups: tuple[Backup, ...], held: Fingerprints | None) -> frozenset[str] | None:
    if held is None:
        return None
    return frozenset(one.name for one in backups if held.get(one.name) == one.outline.fingerprint)


def _copy(store: Store | None, own: StoreIdentity, clock: Clock, *, trust_index: bool) -> Fingerprints | None:
    """Tell what a copy holds whole, as far as that can be told without reading archives."""
    if store is None:
        return None
    try:
        other = read_identity(store)
        if other.store_id == own.store_id or other.deployment != own.deployment:
            return None
        return {one.name: one.outline.fingerprint for one in _whole(Catalog(store, clock, trust_index=trust_index))}
    except GONE:
        return None


def _whole(catalog: Catalog) -> Iterator[Backup]:
    for one in catalog.backups():
        right = catalog.sizes.get(archive_key(one.folder, one.name)) == one.bytes
        if right and not one.damaged and not one.withdrawal:
            yield one


def _primary(site: Site, own: StoreIdentity, clock: Clock, *, trust_index: bool) -> frozenset[str]:
    """Name what the primary holds.

    :raises PruningRefused: it does not answer, or holds nothing good: then this copy may be all there is
    """
    problem = "does not answer"
    try:
        if site.primary is not None:
            other = read_identity(site.primary)
            catalog = Catalog(site.primary, clock, trust_index=trust_index)
            if other.store_id == own.store_id or other.deployment != own.deployment:
                problem = f"is store {other.store_id} of {other.deployment}, and not the primary of this copy"
            elif any(is_sound(one, catalog.by_name) for one in _whole(catalog)):
                return frozenset(catalog.by_name)
            else:
                problem = "holds no good backup"
    except GONE as error:
        problem = f"cannot be read ({error})"
    raise PruningRefused(
        f"{site.store.url} is a copy, and the primary store {problem}: this copy may be all there is, so nothing is "
        "deleted. Put the primary right first"
    )
