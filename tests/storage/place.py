"""What a test is given of a store."""

from collections.abc import Callable
from dataclasses import dataclass

from backup_engine.storage.contract import Store


@dataclass(frozen=True)
class Place:
    """One empty store to begin with.

    :param open: another handle on the same objects each time
    :param fresh: a handle on a new, empty store each time
    """

    open: Callable[[], Store]
    fresh: Callable[[], Store]
