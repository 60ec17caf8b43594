"""What a server says about itself and its collections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from backup_engine.errors import BackupError, UnexpectedAnswer, Unsupported
from backup_engine.model import CollectionState, ServerFacts
from backup_engine.vectorizer.answers import as_list, as_object
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.settings import path_of

SHADOWED = frozenset({"empty", "cleanup"})
"""Names that mean something else right under ``/collections/``; under ``/qdrant/collections/`` they are names."""

_PROVIDER_BINDS = (3, 4)
"""From this version on, a collection without quantization has one of the embedding providers' dimensions."""

_LIST = "query{collections{name vectorCount createdAt updatedAt config{dimension}}}"

_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


def read_facts(client: VectorizerClient) -> ServerFacts:
    """Probe the generation and tell version, uptime, role and clock.

    :raises UnexpectedAnswer: whatever answers there is no Vectorizer
    """
    api, status = _probe(client)
    version = status.get("version")
    if not isinstance(version, str):
        raise UnexpectedAnswer(f"{client.url}{api}/status names no version: is this a Vectorizer?")
    uptime = _uptime(status)
    providers = providers_of(client) if version_tuple(version) >= _PROVIDER_BINDS else None
    return ServerFacts(
        url=client.url,
        version=version,
        api=api,
        uptime_seconds=None if uptime is None else int(uptime),
        role=_role(client),
        now=_server_clock(client),
        unquantized_dimensions=None if providers is None else tuple(sorted(set(providers.values()))),
    )


def read_version(client: VectorizerClient) -> str:
    """Tell the version for a message, which must come even from a server that does not say."""
    try:
        return str(_probe(client)[1].get("version") or "of unknown version")
    except BackupError:
        return "of unknown version"


def read_uptime(client: VectorizerClient) -> float | None:
    """Tell for how many seconds the server has run, if it does."""
    return _uptime(_probe(client)[1])


def version_tuple(version: str) -> tuple[int, ...]:
    """Make versions comparable; what is no number counts as 0."""
    return tuple(int(part) if part.isdecimal() else 0 for part in re.split(r"[.+-]", version)[:3])


def providers_of(client: VectorizerClient) -> dict[str, int]:
    """Tell the embedding providers and their dimensions, the default one first; empty where the server does not."""
    try:
        listed = client.get("/stats").fields().get("providers")
    except RouteMissing:
        return {}
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    entries.sort(key=lambda entry: not entry.get("default"))
    return {str(entry.get("name")): int(entry.get("dimension", 0)) for entry in entries}


def list_collections(client: VectorizerClient) -> tuple[CollectionState, ...]:
    """List all collections, sorted by name, as GraphQL gives them: its ``updatedAt`` is true, that of REST is now.

    GraphQL leaves out a collection that the server could not load. Where the server counts more than GraphQL lists,
    the REST list tells which; it is given with dimension 0, which means that it cannot be read. Where GraphQL does not
    pass, the REST list and the details of each collection take its place: not one moment then, but one after the other.

    :raises Unsupported: the server lists its collections nowhere
    """
    client.listing()
    try:
        listed = as_list(client.graphql(_LIST, {}).get("collections"), f"{client.url}/graphql collections")
    except Unsupported:
        return _rest_states(client)
    states = {state.name: state for state in map(_state, listed)}
    _, status = _probe(client)
    if status.get("collections_count") != len(states):
        states = {state.name: state for state in _unreadable(client)} | states
    return tuple(states[name] for name in sorted(states))


def read_details(client: VectorizerClient, name: str) -> dict[str, object]:
    """Read the details; those of a name that the route shadows stand in the list."""
    if name in SHADOWED:
        return next((entry for entry in _rest_list(client) if entry.get("name") == name), {})
    return client.get(path_of("collections", name)).fields()


def payload_bytes(client: VectorizerClient, name: str) -> int | None:
    """Tell the summed length of all payloads as compact JSON, if the server does."""
    try:
        size = read_details(client, name).get("size")
    except RouteMissing:
        return None
    length = size.get("payload_bytes") if isinstance(size, dict) else None
    return length if isinstance(length, int) else None


def read_aliases(client: VectorizerClient) -> dict[str, str]:
    """Tell which collection each alias stands for; a server without the route has none to tell."""
    try:
        answer = client.get("/qdrant/aliases").fields()
    except RouteMissing:
        return {}
    result = answer.get("result", answer)
    listed = as_list(as_object(result, "aliases").get("aliases"), f"{client.url}/qdrant/aliases")
    entries = [as_object(entry, "alias") for entry in listed]
    return {str(entry.get("alias_name")): str(entry.get("collection_name")) for entry in entries}


def _probe(client: VectorizerClient) -> tuple[Literal["", "/api"], dict[str, object]]:
    """Ask for the status under the bare path, then under the prefix of servers up to 1.8.5; remember the version."""
    api, status = _status(client)
    client.version = str(status["version"]) if status.get("version") else None
    return api, status


def _status(client: VectorizerClient) -> tuple[Literal["", "/api"], dict[str, object]]:
    try:
        return "", client.get("/status").fields()
    except RouteMissing:
        pass
    try:
        return "/api", client.get("/api/status").fields()
    except RouteMissing as error:
        raise UnexpectedAnswer(f"{client.url} has neither /status nor /api/status: is this a Vectorizer?") from error


def _uptime(status: Mapping[str, object]) -> float | None:
    uptime = status.get("uptime_seconds")
    return uptime if isinstance(uptime, (int, float)) else None


def _role(client: VectorizerClient) -> str:
    try:
        return str(client.get("/replication/status").fields().get("role") or "Standalone")
    except RouteMissing:
        return "Standalone"


def _server_clock(client: VectorizerClient) -> datetime | None:
    try:
        written = str(client.get("/health").fields().get("timestamp") or "")
        moment = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", written))
    except (RouteMissing, ValueError):
        return None
    return moment if moment.tzinfo else None


def _state(entry: object) -> CollectionState:
    fields = as_object(entry, "collection")
    config = as_object(fields.get("config"), "collection")
    try:
        return CollectionState(
            name=str(fields["name"]),
            vectors=whole(fields, "vectorCount"),
            dimension=whole(config, "dimension"),
            created_at=str(fields["createdAt"]),
            updated_at=str(fields["updatedAt"]),
        )
    except (KeyError, ValidationError) as error:
        raise UnexpectedAnswer(f"a collection's state was expected, found {str(entry)[:200]}") from error


def _rest_states(client: VectorizerClient) -> tuple[CollectionState, ...]:
    try:
        listed = _rest_list(client)
    except RouteMissing as error:
        raise Unsupported(
            f"Vectorizer {read_version(client)} at {client.url} lists its collections neither over GraphQL nor under "
            "GET /collections: let the proxy before the server pass one of them, or name the server's own address"
        ) from error
    states = {str(entry.get("name")): _rest_state(client, entry) for entry in listed}
    return tuple(states[name] for name in sorted(states))


def _rest_state(client: VectorizerClient, entry: Mapping[str, object]) -> CollectionState:
    """Read the details, whose ``updated_at`` is true; where they are not offered, the list's, which is always now."""
    name = str(entry.get("name"))
    if _failed(entry):
        return CollectionState(name=name, vectors=0, dimension=0, created_at="", updated_at="")
    try:
        fields: Mapping[str, object] = read_details(client, name)
    except RouteMissing:
        fields = entry
    try:
        return CollectionState(
            name=name,
            vectors=whole(fields, "vector_count"),
            dimension=whole(fields, "dimension"),
            created_at=str(fields["created_at"]),
            updated_at=str(fields["updated_at"]),
        )
    except (KeyError, ValidationError) as error:
        raise UnexpectedAnswer(f"a collection's state was expected, found {str(fields)[:200]}") from error


def _failed(entry: Mapping[str, object]) -> bool:
    """Tell whether the server could not load it."""
    indexing = entry.get("indexing_status")
    return "quantization" not in entry or (isinstance(indexing, dict) and indexing.get("status") == "error")


def _rest_list(client: VectorizerClient) -> list[dict[str, object]]:
    listed = client.get("/collections").fields().get("collections")
    return [as_object(entry, "collection") for entry in as_list(listed, f"{client.url}/collections")]


def _unreadable(client: VectorizerClient) -> list[CollectionState]:
    names = [str(entry.get("name")) for entry in _rest_list(client) if _failed(entry)]
    return [CollectionState(name=name, vectors=0, dimension=0, created_at="", updated_at="") for name in names]


def whole(fields: Mapping[str, object], key: str) -> int:
    """Take a whole number.

    :raises UnexpectedAnswer: there is none
    """
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnexpectedAnswer(f"a whole number was expected for {key}, found {value!r}")
    return value
