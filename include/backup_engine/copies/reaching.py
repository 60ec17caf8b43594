"""Which of a deployment's places to read from: the primary, and when it is gone the first copy that is not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from backup_engine import wording
from backup_engine.archive.manifest import archive_key
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.errors import (
    BackupError,
    BrokenChain,
    DamagedArchive,
    HostileArchive,
    InvalidInput,
    ObjectNotFound,
    StoreDenied,
    StoreNotInitialised,
    StoreUnavailable,
    UnknownBackup,
    UnknownFormat,
    WrongStore,
)
from backup_engine.model import Clock
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import StoreIdentity, identity_for, read_identity

GONE = (StoreUnavailable, StoreDenied, StoreNotInitialised, WrongStore)
"""A place that answers with one of these cannot be read from now, whatever is asked of it."""

_NO_STORE = (*GONE, UnknownFormat, HostileArchive)  # or its store.json is not one
_NOT_THERE = (UnknownBackup, ObjectNotFound, DamagedArchive, BrokenChain)


@dataclass(frozen=True, slots=True)
class Reached:
    """A place that answers.

    :param url: its address, as it was asked for
    :param passed_over: why no earlier one is used: a sentence each
    """

    url: str
    store: Store
    identity: StoreIdentity
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A backup, in the first place that has it.

    :param url: the place's address, as it was asked for
    :param passed_over: why no earlier one is used: a sentence each
    """

    url: str
    store: Store
    identity: StoreIdentity
    backup: Backup
    passed_over: tuple[str, ...] = ()


@dataclass(slots=True)
class _Refusals:
    """What the places said that are not used."""

    roots: Sequence[str]
    errors: list[BackupError]

    @property
    def sentences(self) -> tuple[str, ...]:
        """A sentence for each place."""
        return tuple(
            f"{'the primary' if number == 0 else 'the copy'} {_shown(self.roots[number])} {_verb(error)}: {error}"
            for number, error in enumerate(self.errors)
        )

    def raised(self) -> BackupError:
        """Give the error to end with: the primary's, unless all of several places are gone."""
        if len(self.errors) > 1 and all(isinstance(error, _NO_STORE) for error in self.errors):
            return StoreUnavailable(f"no place can be read from: {'; '.join(self.sentences)}")
        first, *_ = self.errors
        for sentence in self.sentences[1:]:
            first.add_note(sentence)
        return first


def reach(roots: Sequence[str], open_root: Callable[[str], Store], *, deployment: str | None = None) -> Reached:
    """Give the first place that answers as a store.

    :param roots: addresses, the primary's first
    :param open_root: opens one of them
    :param deployment: whose store it has to be; None: whoever's
    :raises StoreUnavailable: none of several does; the message names each. A single one raises what it answers
    """
    refused = _Refusals(_required(roots), [])
    for root in roots:
        try:
            return _reach(root, open_root, deployment, refused)
        except _NO_STORE as error:
            refused.errors.append(error)
    raise refused.raised()


def find_backup(
    roots: Sequence[str],
    open_root: Callable[[str], Store],
    point: str,
    clock: Clock,
    *,
    deployment: str | None = None,
    whole: bool = True,
    collections: Collection[str] | None = None,
) -> Found:
    """Give the backup that a person means, from the first place that holds it and all it hangs on undamaged, archives
    of the right size.

    :param point: as ``Catalog.find`` takes it; words and times mean what the place that is read holds
    :param whole: False: from the first place that holds it, damaged or not
    :param collections: names of those that will be read: what the others hang on does not matter; None: all
    :raises StoreUnavailable: all of several places are gone; the message names each
    :raises UnknownBackup: the primary, and every other place that answers, does not have it
    :raises DamagedArchive: the primary's is damaged, and no other place has it whole
    :raises BrokenChain: so is what it hangs on
    """
    refused = _Refusals(_required(roots), [])
    for root in roots:
        try:
            reached = _reach(root, open_root, deployment, refused)
            catalog = Catalog(reached.store, clock)
            backup = catalog.find(point)
            if whole:
                _check_whole(reached.store, backup)
                for base in catalog.check_chain(backup, collections):
                    _check_whole(reached.store, base)
        except (*_NO_STORE, *_NOT_THERE) as error:
            refused.errors.append(error)
        else:
            return Found(root, reached.store, reached.identity, backup, refused.sentences)
    raise refused.raised()


def _reach(root: str, open_root: Callable[[str], Store], deployment: str | None, refused: _Refusals) -> Reached:
    store = open_root(root)
    identity = read_identity(store) if deployment is None else identity_for(store, deployment)
    return Reached(root, store, identity, refused.sentences)


def _check_whole(store: Store, backup: Backup) -> None:
    key = archive_key(backup.folder, backup.name)
    if backup.damaged:
        raise DamagedArchive(
            f"{store.url}/{key} was found damaged on {wording.moment(backup.verifications[-1].at)}; use a copy or "
            f"another backup. What is whole of it can be read from that store by name: --store {store.url}"
        )
    try:
        size = store.stat(key).size
    except ObjectNotFound as error:
        raise DamagedArchive(f"{store.url}/{key} is missing, and its manifest is there") from error
    if size != backup.bytes:
        raise DamagedArchive(f"{store.url}/{key} has {size:,} bytes; its manifest says {backup.bytes:,}")


def _verb(error: BackupError) -> str:
    return "is gone" if isinstance(error, _NO_STORE) else "is passed over"


def _shown(root: str) -> str:
    return parse_address(root).url


def _required(roots: Sequence[str]) -> Sequence[str]:
    if not roots:
        raise InvalidInput("no place to read from was named; at least the primary store's address was expected")
    return roots
