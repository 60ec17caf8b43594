"""What is needed to create a collection again, put together from whatever of three views the server offers.

GraphQL tells everything but the quantization; the Qdrant view that, and all but graph and shards; the details tell
neither index nor graph. What none of them tells is named, and the server's defaults stand in its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from backup_engine.errors import CollectionNotFound, UnexpectedAnswer, Unsupported
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization
from backup_engine.vectorizer.answers import as_object
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import read_details, read_version, whole

_CONFIG = (
    "config{dimension metric hnswConfig{m efConstruction efSearch} storageType shardingEnabled shardCount graphEnabled}"
)
_ONE = f"query($name:String!){{collection(name:$name){{name {_CONFIG}}}}}"

_METRICS = {
    "COSINE": Metric.COSINE,
    "EUCLIDEAN": Metric.EUCLIDEAN,
    "EUCLID": Metric.EUCLIDEAN,
    "DOT_PRODUCT": Metric.DOT,
    "DOTPRODUCT": Metric.DOT,
    "DOT": Metric.DOT,
}
_QUANTIZATIONS = {"scalar": Quantization.SQ8, "binary": Quantization.BINARY, "product": Quantization.PRODUCT}
_IN_DETAILS = {
    "SQ": Quantization.SQ8,
    "Binary": Quantization.BINARY,
    "PQ": Quantization.PRODUCT,
    "Product": Quantization.PRODUCT,
    "None": Quantization.NONE,
}


def read_configuration(client: VectorizerClient, name: str) -> CollectionConfiguration:
    """Tell what is needed to create the collection again, and the rest for people.

    The Qdrant view makes the server clone the whole collection: once per capture, not more.

    :raises Unsupported: the server offers none of the views
    """
    graphql, qdrant, details = _graphql_view(client, name), _qdrant_view(client, name), _details_view(client, name)
    if not (graphql or qdrant or details):
        raise Unsupported(
            f"Vectorizer {read_version(client)} at {client.url} tells no settings of {name!r}, without which it could "
            "not be created again: let the proxy before the server pass GET /collections/…, or POST /graphql and GET "
            "/qdrant/collections/…"
        )
    try:
        return _configuration(graphql, qdrant, details)
    except (KeyError, ValueError) as error:
        found = graphql or qdrant or details
        raise UnexpectedAnswer(f"{client.url}: the configuration of {name!r} is not understood: {found}") from error


def _configuration(
    graphql: Mapping[str, object], qdrant: Mapping[str, object], details: Mapping[str, object]
) -> CollectionConfiguration:
    described = graphql or _shape(qdrant) or details
    reported: dict[str, object] = {"graphql": graphql, "qdrant": qdrant, "details": _lasting(details)}
    unknown = _unknown(graphql, qdrant, details)
    return CollectionConfiguration(
        dimension=whole(described, "dimension"),
        metric=_METRICS[str(described.get("metric")).upper()],
        quantization=_quantization(qdrant, details),
        hnsw=_hnsw(graphql, qdrant),
        graph=bool(graphql.get("graphEnabled")),
        shards=whole(graphql, "shardCount") if graphql.get("shardingEnabled") else None,
        reported=reported | ({"unknown": unknown} if unknown else {}),
    )


def _shape(qdrant: Mapping[str, object]) -> dict[str, object]:
    vectors = qdrant.get("vectors")
    return {"dimension": vectors.get("size"), "metric": vectors.get("distance")} if isinstance(vectors, dict) else {}


def _unknown(graphql: Mapping[str, object], qdrant: Mapping[str, object], details: Mapping[str, object]) -> list[str]:
    index = [] if graphql or qdrant.get("hnsw_config") else ["hnsw"]
    kept = [] if qdrant or _kept_as(details) else ["quantization"]
    return index + kept + ([] if graphql else ["graph", "shards"])


def _hnsw(graphql: Mapping[str, object], qdrant: Mapping[str, object]) -> Hnsw:
    if graphql:
        index = as_object(graphql.get("hnswConfig"), "hnswConfig")
        words = ("m", "efConstruction", "efSearch")
    elif qdrant.get("hnsw_config"):
        index = as_object(qdrant["hnsw_config"], "hnsw_config")
        words = ("m", "ef_construct", "full_scan_threshold")
    else:
        return Hnsw()
    m, construct, search = (whole(index, word) for word in words)
    return Hnsw(m=m, ef_construct=construct, ef_search=search)


def _quantization(qdrant: Mapping[str, object], details: Mapping[str, object]) -> Quantization:
    """Read it from the Qdrant view, which alone tells it for every name."""
    if not qdrant:
        return _kept_as(details) or Quantization.SQ8
    kept = qdrant.get("quantization_config")
    return Quantization.NONE if not kept else _QUANTIZATIONS[next(iter(as_object(kept, "quantization")))]


def _kept_as(details: Mapping[str, object]) -> Quantization | None:
    told = details.get("quantization")
    word = str(told.get("type")) if isinstance(told, dict) else ""
    return _IN_DETAILS.get(word.split()[0].split("(")[0]) if word else None


def _graphql_view(client: VectorizerClient, name: str) -> dict[str, object]:
    try:
        found = client.graphql(_ONE, {"name": name}).get("collection")
    except Unsupported:
        return {}
    if found is None:
        raise CollectionNotFound(f"{client.url} does not have the collection {name!r}", status=404)
    return as_object(as_object(found, name).get("config"), name)


def _qdrant_view(client: VectorizerClient, name: str) -> dict[str, object]:
    try:
        answer = client.get(path_of("qdrant", "collections", name)).fields()
    except RouteMissing:
        return {}
    return as_object(as_object(answer.get("result"), name).get("config"), name)


def _details_view(client: VectorizerClient, name: str) -> dict[str, object]:
    try:
        return read_details(client, name)
    except RouteMissing:
        return {}


def _lasting(details: Mapping[str, object]) -> dict[str, object]:
    """Leave out what changes with every write, so that equal configurations compare equal."""
    return {key: details[key] for key in ("embedding_provider", "normalization", "quantization") if key in details}
