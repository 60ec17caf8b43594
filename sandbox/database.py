"""All collections, their aliases, and what memory and disk make of a name."""

import time
from pathlib import Path

from sandbox.collection import Collection, Page
from sandbox.disk import Disk, Saved
from sandbox.failures import (
    CollectionExistsError,
    CollectionNotFoundError,
    InvalidConfigurationError,
    NotFoundError,
    StorageError,
)
from sandbox.settings import Settings


class Database:
    """The state of one server process."""

    def __init__(self, data_dir: Path) -> None:
        self.disk = Disk(data_dir)
        self.started = time.monotonic()
        self._collections: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}
        for name in self.disk.names():
            self._load_at_start(name)

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

        One that is only on disk is brought back by being asked for: a ghost.

        :raises CollectionNotFoundError: when neither memory nor disk has it
        """
        canonical = self._resolve(name)
        if canonical in self._collections:
            return self._collections[canonical]
        saved = self.disk.load(canonical)
        if saved is None:
            raise CollectionNotFoundError(name)
        ghost = Collection.as_ghost(canonical, saved.settings, saved.page)
        self._collections[canonical] = ghost
        return ghost

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
        """Write all collections to disk.

        Without any collection nothing is written and nothing is wrong: the last one deleted comes back.

        :raises StorageError: when all collections together hold no vector
        """
        collections = [_saved(collection) for collection in self._collections.values()]
        if not collections:
            return
        if not any(saved.page.ids for saved in collections):
            raise StorageError(
                f"Refusing to overwrite vectorizer.vecdb - {len(collections)} collections but 0 total vectors"
            )
        self.disk.save(collections)

    def _load_at_start(self, name: str) -> None:
        saved = self.disk.load(name)
        if saved is not None:
            settings = saved.settings.as_loaded_at_start()
            self._collections[name] = Collection.loaded(name, settings, saved.page)

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
