"""Whether there is room, asked before hours of reading rather than after."""

from __future__ import annotations

from backup_engine.errors import StoreFull
from backup_engine.storage.contract import Store


def check_room(store: Store, needed_bytes: int) -> None:
    """Make sure that the store has room for so many bytes; a store that knows no limit always has.

    :raises StoreFull: it has not; the message has the figures
    """
    free = store.free_bytes()
    if free is not None and free < needed_bytes:
        raise StoreFull(
            f"{store.url} has {free:,} bytes free and {needed_bytes:,} are needed: "
            f"free at least {needed_bytes - free:,} bytes, or give the store more room"
        )
