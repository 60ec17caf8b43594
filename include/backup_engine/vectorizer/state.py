"""What a server says about itself and its collections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from backup_engine.errors import CollectionNotFound, UnexpectedAnswer
from backup_engine.model import CollectionConfiguration, CollectionState, Hnsw, Metric, Quantization, ServerFacts
from backup_engine.vectorizer.answers import as_list, as_object
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.settings import path_of

SHADOWED = frozenset({"empty", "cleanup"})
"""Names that mean something else right under ``/collections/``; under ``/qdrant/collections/`` they are names."""

_PROVIDER_BINDS = (3, 4)
"""From this version on, a collection without quantization has one of the embedding providers' dimensions."""

_CONFIG = (
    "config{dimension metric hnswConfig{m efConstruction efSearch} storageType shardingEnabled shardCount graphEnabled}"
)
_LIST = "query{collections{name vectorCount createdAt updatedAt config{dimension}}}"
_ONE = f"query($name:String!){{collection(name:$name){{name {_CONFIG}}}}}"

_METRICS = {"COSINE": Metric.COSINE, "EUCLIDEAN": Metric.EUCLIDEAN, "DOT_PRODUCT": Metric.DOT}
_QUANTIZATIONS = {"scalar": Quantization.SQ8, "binary": Quantization.BINARY, "product": Quantization.PRODUCT}
_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


def read_facts(client: VectorizerClient) -> ServerFacts:
    """Probe the generation and tell version, uptime, role and clock.

    :raises UnexpectedAnswer: whatever answers there is no Vectorizer
    """
    api, status = _probe(client)
    version = status.get("version")
    if not isinstance(version, str):
        raise UnexpectedAnswer(f"{client.url}{api}/status names no version: is this a Vectorizer?")
    uptime = status.get("uptime_seconds")
    providers = providers_of(client) if version_tuple(version) >= _PROVIDER_BINDS else None
    return ServerFacts(
        url=client.url,
        version=version,
        api=api,
        uptime_seconds=int(uptime) if isinstance(uptime, (int, float)) else None,
        role=_role(client),
        now=_server_clock(client),
        unquantized_dimensions=None if providers is None else tuple(sorted(set(providers.values()))),
    )


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
    the REST list tells which; it is given with dimension 0, which means that it cannot be read.
    """
    listed = as_list(client.graphql(_LIST, {}).get("collections"), f"{client.url}/graphql collections")
    states = {state.name: state for state in map(_state, listed)}
    _, status = _probe(client)
    if status.get("collections_count") != len(states):
        states = {state.name: state for state in _unreadable(client)} | states
    return tuple(states[name] for name in sorted(states))


def read_configuration(client: VectorizerClient, name: str) -> CollectionConfiguration:
    """Tell what is needed to create the collection again: GraphQL and the Qdrant view, and the details for people.

    The Qdrant view makes the server clone the whole collection: once per capture, not more.
    """
    found = client.graphql(_ONE, {"name": name}).get("collection")
    if found is None:
        raise CollectionNotFound(f"{client.url} does not have the collection {name!r}", status=404)
    config = as_object(as_object(found, name).get("config"), name)
    hnsw = as_object(config.get("hnswConfig"), name)
    qdrant = _qdrant_view(client, name)
    try:
        return CollectionConfiguration(
            dimension=_whole(config, "dimension"),
            metric=_METRICS[str(config.get("metric"))],
            quantization=_quantization(qdrant),
            hnsw=Hnsw(
                m=_whole(hnsw, "m"), ef_construct=_whole(hnsw, "efConstruction"), ef_search=_whole(hnsw, "efSearch")
            ),
            graph=bool(config.get("graphEnabled")),
            shards=_whole(config, "shardCount") if config.get("shardingEnabled") else None,
            reported={"graphql": config, "qdrant": qdrant, "details": _lasting(read_details(client, name))},
        )
    except (KeyError, ValueError) as error:
        raise UnexpectedAnswer(f"{client.url}: the configuration of {name!r} is not understood: {config}") from error


def read_details(client: VectorizerClient, name: str) -> dict[str, object]:
    """Read the details; those of a name that the route shadows stand in the list."""
    if name in SHADOWED:
        return next((entry for entry in _rest_list(client) if entry.get("name") == name), {})
    return client.get(path_of("collections", name)).fields()


def payload_bytes(details: Mapping[str, object]) -> int | None:
    """Tell the summed length of all payloads as compact JSON, if the details say it."""
    size = details.get("size")
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
    """Ask for the status under the bare path, then under the prefix of servers up to 1.8.5."""
    try:
        return "", client.get("/status").fields()
    except RouteMissing:
        pass
    try:
        return "/api", client.get("/api/status").fields()
    except RouteMissing as error:
        raise UnexpectedAnswer(f"{client.url} has neither /status nor /api/status: is this a Vectorizer?") from error


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
            vectors=_whole(fields, "vectorCount"),
            dimension=_whole(config, "dimension"),
            created_at=str(fields["createdAt"]),
            updated_at=str(fields["updatedAt"]),
        )
    except (KeyError, ValidationError) as error:
        raise UnexpectedAnswer(f"a collection's state was expected, found {str(entry)[:200]}") from error


def _rest_list(client: VectorizerClient) -> list[dict[str, object]]:
    listed = client.get("/collections").fields().get("collections")
    return [as_object(entry, "collection") for entry in as_list(listed, f"{client.url}/collections")]


def _unreadable(client: VectorizerClient) -> list[CollectionState]:
    found = []
    for entry in _rest_list(client):
        indexing = entry.get("indexing_status")
        failed = "quantization" not in entry or (isinstance(indexing, dict) and indexing.get("status") == "error")
        if failed:
            name = str(entry.get("name"))
            found.append(CollectionState(name=name, vectors=0, dimension=0, created_at="", updated_at=""))
    return found


def _qdrant_view(client: VectorizerClient, name: str) -> dict[str, object]:
    answer = client.get(path_of("qdrant", "collections", name)).fields()
    return as_object(as_object(answer.get("result"), name).get("config"), name)


def _lasting(details: Mapping[str, object]) -> dict[str, object]:
    """Leave out what changes with every write, so that equal configurations compare equal."""
    return {key: details[key] for key in ("embedding_provider", "normalization", "quantization") if key in details}


def _quantization(qdrant: Mapping[str, object]) -> Quantization:
    """Read it from the Qdrant view, which alone tells it for every name."""
    kept = qdrant.get("quantization_config")
    return Quantization.NONE if not kept else _QUANTIZATIONS[next(iter(as_object(kept, "quantization")))]


def _whole(fields: Mapping[str, object], key: str) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnexpectedAnswer(f"a whole number was expected for {key}, found {value!r}")
    return value
