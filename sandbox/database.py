"""All collections, their aliases, and what memory and disk make of a name."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from sandbox.collection import Collection, Page
from sandbox.disk import Disk, Saved
from sandbox.failures import (
    CollectionExistsError,
    CollectionNotFoundError,
    InvalidConfigurationError,
    NotFoundError,
    OnDiskOnly,
    StorageError,
)
from sandbox.settings import Settings


class Database:
    """The state of one server process.

    What is on disk is read at once and becomes collections one after the other, by `advance`.

    :param delay: awaited while a collection of so many vectors is being loaded because somebody asked for it
    """

    def __init__(self, data_dir: Path, delay: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.disk = Disk(data_dir)
        self.started = time.monotonic()
        self._delay = delay
        self._collections: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}
        self._coming = deque(self.disk.everything())

    @property
    def uptime_seconds(self) -> int:
        """Whole seconds since the process started."""
        return int(time.monotonic() - self.started)

    def names(self) -> list[str]:
        """List the collections in memory, sorted; neither aliases nor what only the disk has."""
        return sorted(self._collections)

    def listed(self) -> list[Collection]:
        """Give the collections of `names`."""
        return [self._collections[name] for name in self.names()]

    def get(self, name: str) -> Collection:
        """Give the collection a name or alias stands for.

        :raises CollectionNotFoundError: when neither memory nor disk has it
        :raises OnDiskOnly: when it must be brought back first, see `load`
        """
        canonical = self._resolve(name)
        if canonical in self._collections:
            return self._collections[canonical]
        if canonical not in self.disk:
            raise CollectionNotFoundError(name)
        raise OnDiskOnly(canonical)

    async def load(self, name: str) -> None:
        """Bring back what only the disk has, because somebody asked for it: a ghost.

        This takes a moment, and what got the name meanwhile is overwritten.
        """
        saved = self.disk.load(name)
        if saved is None:
            return
        if self._delay is not None:
            await self._delay(len(saved.page.ids))
        self._collections[name] = Collection.as_ghost(name, saved.settings, saved.page)

    @property
    def coming(self) -> list[tuple[str, int]]:
        """Names and vectors of what the start has not loaded yet; the first is in work."""
        return [(saved.name, len(saved.page.ids)) for saved in self._coming]

    def advance(self) -> None:
        """Load the next collection of the start, and list the one after it with nothing in it.

        One that was asked for by name meanwhile is there already, and gets everything twice.
        """
        if not self._coming:
            return
        saved = self._coming.popleft()
        begun = self._collections.get(saved.name) or self._begin(saved)
        begun.arrive(saved.page)
        if self._coming and self._coming[0].name not in self._collections:
            self._begin(self._coming[0])

    def create(self, name: str, settings: Settings) -> Collection:
        """Make a new, empty collection; only memory and aliases are asked whether the name is free.

        :raises CollectionExistsError: when it is not
        """
        self._require_free(name)
        collection = self._collections[name] = Collection(name, settings)
        return collection

    def delete(self, name: str) -> None:
        """Take a collection and its aliases out of memory; the disk keeps it until a flush.

        :raises CollectionNotFoundError: when it is not in memory
        """
        canonical = self._resolve(name)
        if self._collections.pop(canonical, None) is None:
            raise CollectionNotFoundError(name)
        self._aliases = {alias: target for alias, target in self._aliases.items() if target != canonical}

    def replace(self, name: str, saved: Saved) -> None:
        """Put a saved collection in the place of the one of this name, whose aliases go."""
        canonical = self._resolve(name)
        if canonical in self._collections:
            self.delete(canonical)
        self._collections[canonical] = Collection.loaded(canonical, saved.settings, saved.page)

    def canonical(self, name: str) -> str:
        """Return what a name or alias stands for, whether it is there or not."""
        return self._resolve(name)

    def rename(self, old: str, new: str) -> None:
        """Give a collection another name; the old one stays as an alias."""
        if not new:
            raise InvalidConfigurationError("new collection name cannot be empty")
        if "/" in new:
            raise InvalidConfigurationError("collection name must not contain '/'")
        if old == new:
            raise InvalidConfigurationError("rename source equals destination")
        collection = self.get(old)
        canonical = collection.name
        self._require_free(new)
        self._collections[new] = self._collections.pop(canonical)
        collection.name = new
        self._aliases = {alias: new if target == canonical else target for alias, target in self._aliases.items()}
        self._aliases[canonical] = new

    def aliases(self) -> dict[str, str]:
        """Give aliases with the collections they stand for."""
        return dict(self._aliases)

    def create_alias(self, alias: str, target: str) -> None:
        """Let another name stand for a collection."""
        alias, target = alias.strip(), target.strip()
        if not alias:
            raise InvalidConfigurationError("Alias name cannot be empty")
        if not target:
            raise InvalidConfigurationError("Collection name cannot be empty")
        if alias == target:
            raise InvalidConfigurationError("Alias name must differ from collection name")
        self._require_free(alias)
        self._aliases[alias] = self.get(target).name

    def delete_alias(self, alias: str) -> None:
        """Let go of an alias."""
        if self._aliases.pop(alias, None) is None:
            raise NotFoundError(f"Alias '{alias}' not found")

    def rename_alias(self, old: str, new: str) -> None:
        """Move an alias to another name."""
        new = new.strip()
        if not new:
            raise InvalidConfigurationError("Alias name cannot be empty")
        if old == new:
            return
        if old not in self._aliases:
            raise NotFoundError(f"Alias '{old}' not found")
        self._require_free(new)
        self._aliases[new] = self._aliases.pop(old)

    def flush(self) -> None:
        """Write all collections to disk, but sharded ones.

        Without any collection nothing is written and nothing is wrong: the last one deleted comes back.

        :raises StorageError: when all collections together hold no vector
        """
        collections = [
            _saved(collection) for collection in self._collections.values() if not collection.settings.shards
        ]
        if not collections:
            return
        if not any(saved.page.ids for saved in collections):
            raise StorageError(
                f"Refusing to overwrite vectorizer.vecdb - {len(collections)} collections but 0 total vectors"
            )
        self.disk.save(collections)

    def _begin(self, saved: Saved) -> Collection:
        collection = self._collections[saved.name] = Collection(saved.name, saved.settings.as_loaded_at_start())
        return collection

    def _resolve(self, name: str) -> str:
        for _ in range(len(self._aliases) + 1):
            if name not in self._aliases:
                return name
            name = self._aliases[name]
        raise NotFoundError(f"Alias '{name}' leads in a circle")

    def _require_free(self, name: str) -> None:
        if name in self._collections or name in self._aliases:
            raise CollectionExistsError(name)


def _saved(collection: Collection) -> Saved:
    page: Page = collection.everything()
    return Saved(collection.name, collection.settings, page)
