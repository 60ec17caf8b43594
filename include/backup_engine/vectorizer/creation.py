"""How a collection with a saved configuration can be created on this server, and whether it became what was asked for.

Three routes make collections and none makes all: the Qdrant one takes every setting but no absence of quantization and
no graph; the native one makes unquantized ones of an embedding provider's dimension and its own index settings; GraphQL
makes graphs and shards, but takes no ``ef_search``. (``reindex`` changes the index in use, not the configuration.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backup_engine.errors import Unsupported
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization
from backup_engine.vectorizer.settings import path_of

_DISTANCE = {Metric.COSINE: "Cosine", Metric.EUCLIDEAN: "Euclid", Metric.DOT: "Dot"}
_NATIVE = {Metric.COSINE: "cosine", Metric.EUCLIDEAN: "euclidean", Metric.DOT: "dot"}
_GRAPHQL = {Metric.COSINE: "COSINE", Metric.EUCLIDEAN: "EUCLIDEAN", Metric.DOT: "DOT_PRODUCT"}
_QUANTIZATION: dict[Quantization, dict[str, object]] = {
    Quantization.SQ8: {"scalar": {"type": "int8"}},
    Quantization.BINARY: {"binary": {}},
    Quantization.PRODUCT: {"product": {}},
}
_CREATE = "mutation($i:CreateCollectionInput!){createCollection(input:$i){name}}"
_COMPARED = ("dimension", "metric", "quantization", "hnsw", "graph", "shards")
SERVER_HNSW = Hnsw()
"""What the native and the GraphQL route give an index when not told otherwise."""


@dataclass(frozen=True, slots=True)
class Creation:
    """The request that creates a collection; sent to ``/graphql``, the value is a GraphQL request."""

    method: str
    path: str
    value: Mapping[str, object]


def plan_creation(name: str, wanted: CollectionConfiguration, providers: Mapping[str, int], version: str) -> Creation:
    """Choose the route. Pure.

    :param providers: the server's embedding providers and their dimensions; empty when it binds nothing to them
    :raises Unsupported: there is none; the message says why and what to do instead
    """
    if wanted.quantization is Quantization.NONE:
        return _native(name, wanted, providers, version)
    if not wanted.graph and wanted.shards is None:
        return _qdrant(name, wanted)
    if wanted.quantization is Quantization.SQ8:
        return _graphql(name, wanted, version)
    raise Unsupported(
        f"{name}: Vectorizer {version} has no way to create a collection with {wanted.quantization} quantization and a "
        "graph or shards; create it by hand, or restore it with scalar quantization"
    )


def differences(wanted: CollectionConfiguration, found: CollectionConfiguration) -> list[str]:
    """Name the settings that are not what was asked for, with both values. Pure."""
    pairs = {setting: (getattr(wanted, setting), getattr(found, setting)) for setting in _COMPARED}
    return [
        f"{setting}: {asked} was asked for, {made} was made"
        for setting, (asked, made) in pairs.items()
        if asked != made
    ]


def _qdrant(name: str, wanted: CollectionConfiguration) -> Creation:
    index = wanted.hnsw
    value = {
        "vectors": {"size": wanted.dimension, "distance": _DISTANCE[wanted.metric]},
        "hnsw_config": {"m": index.m, "ef_construct": index.ef_construct, "full_scan_threshold": index.ef_search},
        "quantization_config": _QUANTIZATION[wanted.quantization],
    }
    return Creation("PUT", path_of("qdrant", "collections", name), value)


def _native(name: str, wanted: CollectionConfiguration, providers: Mapping[str, int], version: str) -> Creation:
    value: dict[str, object] = {"name": name, "dimension": wanted.dimension, "metric": _NATIVE[wanted.metric]}
    if wanted.graph:
        value["graph"] = {"enabled": True}
    if wanted.shards is not None or wanted.hnsw != SERVER_HNSW:
        raise Unsupported(
            f"{name}: Vectorizer {version} creates unquantized collections without shards and with its own index "
            f"settings ({SERVER_HNSW!r}) only; restore it with scalar quantization instead"
        )
    if providers:
        value["embedding_provider"] = _fitting_provider(name, wanted.dimension, providers, version)
    return Creation("POST", "/collections", value)


def _fitting_provider(name: str, dimension: int, providers: Mapping[str, int], version: str) -> str:
    for provider, possible in providers.items():
        if possible == dimension:
            return provider
    known = ", ".join(str(possible) for possible in sorted(set(providers.values())))
    raise Unsupported(
        f"{name}: Vectorizer {version} creates unquantized collections only with the dimension of an embedding "
        f"provider ({known}), not with {dimension}; restore it with scalar quantization instead"
    )


def _graphql(name: str, wanted: CollectionConfiguration, version: str) -> Creation:
    if wanted.hnsw.ef_search != SERVER_HNSW.ef_search:
        raise Unsupported(
            f"{name}: Vectorizer {version} creates collections with a graph or shards only with ef_search "
            f"{SERVER_HNSW.ef_search}, not with {wanted.hnsw.ef_search}; create it by hand and restore into it"
        )
    given: dict[str, object] = {
        "name": name,
        "dimension": wanted.dimension,
        "metric": _GRAPHQL[wanted.metric],
        "hnswM": wanted.hnsw.m,
        "hnswEfConstruction": wanted.hnsw.ef_construct,
        "enableGraph": wanted.graph,
    }
    if wanted.shards is not None:
        given["shardCount"] = wanted.shards
    return Creation("POST", "/graphql", {"query": _CREATE, "variables": {"i": given}})
