"""Writing: collections with their saved configuration, records in batches the server takes, renames, aliases, flushes.

A name that the server does not list is never sent to it where that could wake a deleted collection, and never where it
may be an alias, because deleting or renaming an alias hits the collection behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from backup_engine.errors import (
    CollectionNotFound,
    NotFlushed,
    RequestRefused,
    ServerBusy,
    TransientError,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.model import CollectionConfiguration, CollectionState
from backup_engine.vectorizer.answers import Answer, as_list, as_object
from backup_engine.vectorizer.client import VectorizerClient, graphql_data
from backup_engine.vectorizer.configuration import read_configuration
from backup_engine.vectorizer.creation import Creation, differences, plan_creation
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import (
    SHADOWED,
    list_collections,
    providers_of,
    read_aliases,
    read_facts,
)

_ALIASES = "/qdrant/collections/aliases"
_DELETED = 1000


class Writer:
    """Changes one server."""

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client

    def create_collection(self, name: str, wanted: CollectionConfiguration) -> None:
        """Create it empty, then read its configuration back; one that came out different is deleted again.

        :raises CollectionExists: the name is taken, by a collection or an alias
        :raises Unsupported: no route of this server makes such a collection
        """
        facts = read_facts(self._client)
        providers = providers_of(self._client) if facts.unquantized_dimensions is not None else {}
        plan = plan_creation(name, wanted, providers, facts.version)
        self._settled(lambda: self._create(plan), lambda: self._is_empty(name))
        found = differences(wanted, read_configuration(self._client, name))
        if found:
            self.delete_collection(name)
            raise Unsupported(
                f"{name}: Vectorizer {facts.version} created it otherwise ({'; '.join(found)}); it was deleted again. "
                "Create it by hand as near as this server can, and restore into it with mode merge"
            )

    def delete_collection(self, name: str) -> None:
        """Delete it.

        :raises CollectionNotFound: the server does not list it; an alias of this name is left alone
        """
        self._require_listed(name)
        # DELETE /collections/cleanup would delete every empty collection there is.
        path = path_of("qdrant", "collections", name) if name in SHADOWED else path_of("collections", name)
        self._settled(lambda: self._client.call("DELETE", path, repeatable=False), lambda: name not in self._listed())

    def rename_collection(self, name: str, new_name: str) -> None:
        """Rename; the old name stays as an alias.

        :raises CollectionExists: the new name is taken, by a collection or an alias
        :raises Unsupported: the server cannot rename, or not to this name
        """
        if "/" in new_name or new_name != new_name.strip() or not new_name:
            raise Unsupported(
                f"{name}: Vectorizer renames to no name that is empty, holds a slash, or begins or ends with a blank, "
                f"as {new_name!r} does; restore such a collection in place"
            )
        self._settled(lambda: self._rename(name, new_name), lambda: self._is_renamed(name, new_name))

    def create_alias(self, alias: str, collection: str) -> None:
        """Let ``alias`` stand for ``collection``."""
        action = {"create_alias": {"alias_name": alias, "collection_name": collection}}
        self._settled(lambda: self._change_aliases(action), lambda: self._aliases().get(alias) == collection)

    def delete_alias(self, alias: str) -> None:
        """Forget the alias; a missing one is fine."""
        if alias not in self._aliases():
            return
        action = {"delete_alias": {"alias_name": alias}}
        self._settled(lambda: self._change_aliases(action), lambda: alias not in self._aliases())

    def delete_records(self, name: str, ids: Sequence[str]) -> None:
        """Delete these records; missing ones are fine.

        :raises CollectionNotFound: the server does not have the collection
        """
        self._require_listed(name)
        for at in range(0, len(ids), _DELETED):
            wanted = list(ids[at : at + _DELETED])
            answer = self._client.call("POST", "/batch_delete", {"collection": name, "ids": wanted})
            _require_deleted(answer, name, wanted)

    def flush(self) -> None:
        """Have the server write everything to its disk; asked through a collection it lists, but it writes all.

        :raises NotFlushed: the server did not confirm it; the message holds its reason
        """
        name = _flush_through(list_collections(self._client))
        if name is None:
            raise NotFlushed(
                f"{self._client.url} lists no collection, and a Vectorizer writes nothing then: what was deleted last "
                "comes back when it is started again"
            )
        answer = self._force_save(name).fields()
        if answer.get("flushed") is not True:
            raise NotFlushed(
                f"{self._client.url} did not write its data to disk: {answer.get('message') or 'it gives no reason'}; "
                "what was changed is in its memory only"
            )

    def _create(self, plan: Creation) -> None:
        answer = self._client.call(plan.method, plan.path, plan.value, repeatable=False)
        if plan.path == "/graphql":
            graphql_data(answer)

    def _is_empty(self, name: str) -> bool:
        return self._listed().get(name) == 0

    def _is_renamed(self, name: str, new_name: str) -> bool:
        listed = self._listed()
        return new_name in listed and name not in listed

    def _rename(self, name: str, new_name: str) -> None:
        self._require_listed(name)
        path = path_of("collections", name, "rename")
        try:
            self._client.call("POST", path, {"new_name": new_name}, repeatable=False)
        except RouteMissing as error:
            version = read_facts(self._client).version
            raise Unsupported(
                f"Vectorizer {version} at {self._client.url} cannot rename a collection (3.3.0 and later can); restore "
                "into new names, or into an existing collection in place"
            ) from error

    def _change_aliases(self, action: Mapping[str, object]) -> None:
        self._client.call("POST", _ALIASES, {"actions": [action]}, repeatable=False)

    def _force_save(self, name: str) -> Answer:
        path = path_of("collections", name, "force-save")
        try:
            return self._client.call("POST", path, patient=True)
        except RouteMissing:  # servers up to 1.8.5
            return self._client.call("POST", "/api" + path, patient=True)

    def _aliases(self) -> dict[str, str]:
        return read_aliases(self._client)

    def _listed(self) -> dict[str, int]:
        return {state.name: state.vectors for state in list_collections(self._client)}

    def _require_listed(self, name: str) -> None:
        if name not in self._listed():
            raise CollectionNotFound(f"{self._client.url} does not list the collection {name!r}", status=404)

    def _settled(self, act: Callable[[], object], done: Callable[[], bool]) -> None:
        """Act; where that ends in doubt, look whether it was done, and act again only if it was not."""
        for attempt in range(1, self._client.settings.attempts + 1):
            try:
                act()
            except ServerBusy:
                raise  # it did nothing, and was asked often enough
            except TransientError:
                if done():
                    return
                if attempt == self._client.settings.attempts:
                    raise
            else:
                return


def _flush_through(states: Iterable[CollectionState]) -> str | None:
    """Choose a collection that can be named in the path."""
    names = [state.name for state in states if state.dimension and state.name not in {"", ".", ".."}]
    return next((name for name in names if name not in SHADOWED), names[0] if names else None)


def _require_deleted(answer: Answer, name: str, ids: Sequence[str]) -> None:
    fields = answer.fields()
    results = [as_object(entry, answer.what) for entry in as_list(fields.get("results"), answer.what)]
    if len(results) != len(ids):
        raise UnexpectedAnswer(f"{answer.what}: {len(ids)} results were expected, found {len(results)}")
    for result in results:
        reason = str(result.get("error") or "")
        if reason.startswith("Collection not found"):
            raise CollectionNotFound(f"{answer.what}: {reason}", status=200)
        if result.get("status") != "ok" and not reason.startswith("Vector not found"):
            raise RequestRefused(f"{answer.what}: {name}: {result.get('id')!r} was not deleted: {reason}", status=200)
