"""The order in which a backup is deleted: whatever dies in between, what is left says what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backup_engine.names import pointer_key, reservation_key
from backup_engine.pruning.leftovers import Remains
from backup_engine.storage.contract import Store


def erase(store: Store, going: Sequence[Remains], runs: Mapping[str, str]) -> None:
    """Delete withdrawn backups: manifests, archives, what people said of them, withdrawals, and then their names.

    Without its manifest it is no backup any more; while its withdrawal is there, the next pruning goes on with it.

    :param runs: keys of the runs that made them, by name, as far as they are known
    """
    store.delete([one.manifest for one in going if one.manifest])
    store.delete([one.archive for one in going if one.archive])
    store.delete([key for one in going for key in one.records])
    store.delete([key for one in going for key in one.withdrawals])
    names = [reservation_key(one.name) for one in going]
    store.delete([*names, *(pointer_key(runs[one.name]) for one in going if one.name in runs)])


def take_back(store: Store, spared: Iterable[Remains]) -> None:
    """Let a withdrawn backup be one like any other again."""
    store.delete([key for one in spared for key in one.withdrawals])
