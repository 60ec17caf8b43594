"""What the standby holds, as whoever brought it up to date last wrote it down: a document in the primary store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, ValidationError

from backup_engine.errors import LeaseLost, ObjectChanged, ObjectExists, ObjectNotFound, UnknownFormat
from backup_engine.model import Document, Moment
from backup_engine.storage.contract import Store, checked_key, read_bytes

_LIMIT = 64 << 20  # bytes; a collection takes about 400


class HeldCollection(Document):
    """One collection of the standby as it was left.

    :param backup: the backup whose state of it was brought here last
    :param key: the collection's key in that backup
    :param state_digest: of that state
    :param source_created_at: the first server's word for the collection
    :param vectors: records that the standby counted then
    :param created_at: the standby's own word then; a restart renews it
    :param updated_at: the standby's own word then; every write renews it
    :param doubt: why it is not trusted any more; None: it is
    """

    name: str
    backup: str
    key: str
    state_digest: str
    configuration_sha256: str
    source_created_at: str
    vectors: int = Field(ge=0)
    created_at: str
    updated_at: str
    doubt: str | None = None


class InFlight(Document):
    """Changes that were begun: these collections are between what they were and what this backup holds."""

    backup: str
    collections: tuple[str, ...]


class Loading(Document):
    """A restore of whole collections that was begun.

    :param given_up: it failed for good: the next attempt plans anew
    """

    backup: str
    restore_id: str
    collections: tuple[str, ...]
    given_up: bool = False


class Promotion(Document):
    """From here on the standby is written to by others: nothing is brought to it any more."""

    at: Moment
    by: str


class WholeComparison(Document):
    """The last comparison of all that the standby holds.

    :param compared: records that were found and looked at
    :param problems: a sentence for each collection that is not right
    """

    at: Moment
    backup: str
    compared: int
    problems: tuple[str, ...] = ()


class StandbyState(Document):
    """All that is known of the standby without asking it.

    :param backup: the newest backup whose state it holds in whole; None: none yet
    :param started_at: when reading that backup began: what was written to the first server since is not here
    :param captured_at: when reading it ended
    :param source_started_at: when the first server had been started
    :param applied_at: when the standby was brought to it
    :param runs: how many times it was brought to a backup
    :param aliases: those that were made here, by alias
    :param unflushed: collections changed or dropped since the standby last confirmed that its disk has everything (it
        never does while it holds no vector): a restart brings them back as they were
    """

    format: Literal["vectorizer-standby"] = "vectorizer-standby"
    version: Literal[1] = 1
    deployment: str
    server_url: str
    backup: str | None = None
    started_at: Moment | None = None
    captured_at: Moment | None = None
    source_started_at: Moment | None = None
    applied_at: Moment | None = None
    runs: int = Field(default=0, ge=0)
    collections: tuple[HeldCollection, ...] = ()
    in_flight: InFlight | None = None
    loading: Loading | None = None
    aliases: dict[str, str] = {}
    unflushed: tuple[str, ...] = ()
    promoted: Promotion | None = None
    comparison: WholeComparison | None = None

    @property
    def held(self) -> dict[str, HeldCollection]:
        """The collections by name."""
        return {one.name: one for one in self.collections}

    def holding(self, one: HeldCollection) -> StandbyState:
        """Note a collection; it is not in flight any more."""
        return self.model_copy(
            update={
                "collections": tuple((self.held | {one.name: one})[name] for name in sorted({*self.held, one.name})),
                "in_flight": _without(self.in_flight, one.name),
            }
        )

    def forgetting(self, name: str) -> StandbyState:
        """Note that a collection is gone."""
        return self.model_copy(update={"collections": tuple(one for one in self.collections if one.name != name)})

    def changing(self, names: Iterable[str]) -> StandbyState:
        """Note what the disk may not have."""
        return self.model_copy(update={"unflushed": tuple(sorted({*self.unflushed, *names}))})

    def doubting(self, doubts: dict[str, str]) -> StandbyState:
        """Note which collections are not trusted any more, and why."""
        return self.model_copy(
            update={
                "collections": tuple(
                    one.model_copy(update={"doubt": doubts.get(one.name, one.doubt)}) for one in self.collections
                )
            }
        )


class StateFile:
    """The document in its store, written only by whoever saw what was there before.

    :param state: as it was read, or written last; None: there is none
    """

    def __init__(self, store: Store, standby: str) -> None:
        self._store = store
        self._key = state_key(standby)
        self.state, self._version = _read(store, self._key)

    def write(self, state: StandbyState) -> StandbyState:
        """Write it down.

        :raises LeaseLost: somebody else wrote it meanwhile
        """
        content = state.model_dump_json().encode()
        try:
            if self._version is None:
                info = self._store.create(self._key, [content])
            else:
                info = self._store.replace(self._key, content, version=self._version)
        except (ObjectExists, ObjectChanged) as error:
            raise LeaseLost(
                f"{self._store.url}/{self._key} was written by somebody else this moment: start again"
            ) from error
        self.state, self._version = state, info.version
        return state


def standby_id(connection: str) -> str:
    """Give the name that a standby has in its store: that of the connection it is reached by."""
    return connection


def state_key(standby: str) -> str:
    """Where the document lies."""
    return checked_key(f"standby/{standby}.json")


def read_standby(store: Store, standby: str) -> StandbyState | None:
    """Read what is known of a standby; None: nothing was ever brought to it.

    :raises UnknownFormat: the document is not one of this product
    """
    return _read(store, state_key(standby))[0]


def _without(in_flight: InFlight | None, name: str) -> InFlight | None:
    left = tuple(one for one in in_flight.collections if one != name) if in_flight else ()
    return in_flight.model_copy(update={"collections": left}) if in_flight and left else None


def _read(store: Store, key: str) -> tuple[StandbyState | None, str | None]:
    """Give the document and a version it is not younger than: a replace with it fails if it changed in between."""
    try:
        version = store.stat(key).version
        content = read_bytes(store, key, limit=_LIMIT)
    except ObjectNotFound:
        return None, None
    try:
        return StandbyState.model_validate_json(content), version
    except ValidationError as error:
        raise UnknownFormat(
            f"{store.url}/{key} does not tell what a standby holds ({error.error_count()} of its fields are wrong): "
            "make sure that nothing works on this standby, remove the object, and rejoin the standby"
        ) from error
