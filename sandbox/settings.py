"""How a collection is configured, and the three dialects in which the server writes it down."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

from sandbox.failures import UnprocessableError
from sandbox.payloads import Json

PROVIDER = "bm25"
PROVIDER_DIMENSION = 512

QDRANT_DISTANCES = {"Cosine": "Cosine", "Euclid": "Euclidean", "Dot": "DotProduct"}
NATIVE_METRICS = {"cosine": "Cosine", "euclidean": "Euclidean", "dot": "DotProduct"}
GRAPHQL_METRICS = {"COSINE": "Cosine", "EUCLIDEAN": "Euclidean", "DOT_PRODUCT": "DotProduct"}
PRODUCT_COMPRESSIONS = {"x4": 4, "x8": 8, "x16": 16, "x32": 32, "x64": 64}

OPTIMIZER = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 2,
    "max_segment_size": 100000,
    "memmap_threshold": 50000,
    "indexing_threshold": 20000,
    "flush_interval_sec": 5,
    "max_optimization_threads": 4,
}


@dataclass(frozen=True)
class Hnsw:
    """Settings of the index; `ef_search` is what the Qdrant dialect calls `full_scan_threshold`."""

    m: int = 16
    ef_construction: int = 200
    ef_search: int = 100


@dataclass(frozen=True)
class Settings:
    """Configuration of one collection.

    :param metric: Rust name: `Cosine`, `Euclidean` or `DotProduct`
    :param quantization: `sq8`, `binary`, `product` or `none`
    :param subquantizers: of product quantization; nothing else reads it
    :param normalizes_text: only collections made by a write to a missing name do
    :param shards: how many; a sharded collection counts and finds its vectors, but never lists or saves them
    :param storage: what GraphQL calls `storageType`; unknown for collections made by a write or over GraphQL
    """

    dimension: int
    metric: str = "Cosine"
    quantization: str = "sq8"
    subquantizers: int = 8
    hnsw: Hnsw = Hnsw()
    normalizes_text: bool = False
    storage: str | None = "MEMORY"
    shards: int | None = None
    graph: bool = False

    @property
    def keeps_quantized(self) -> bool:
        """Whether vectors live in the quantized map, which a lazily loaded collection lists from in vain."""
        return self.quantization in {"sq8", "binary"}

    def as_loaded_at_start(self) -> Self:
        """Give the same after a restart, which forces SQ8."""
        return replace(self, quantization="sq8")

    def to_json(self) -> dict[str, Json]:
        """Write it down for the sandbox's own files."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Json]) -> Self:
        """Read what `to_json` gave."""
        return cls(**{**saved, "hnsw": Hnsw(**saved["hnsw"])})


def from_native(dimension: int, metric: str) -> Settings:
    """Read `POST /collections`: never quantized, an unknown metric is silently Cosine."""
    return Settings(dimension, NATIVE_METRICS.get(metric, "Cosine"), quantization="none")


def of_missing_collection() -> Settings:
    """Give what a write to a name that does not exist creates."""
    return Settings(PROVIDER_DIMENSION, normalizes_text=True)


def from_qdrant(body: Json) -> Settings:
    """Read `PUT /qdrant/collections/{n}`, flat or wrapped in `config`.

    :raises UnprocessableError: 422 in the words of the JSON extractor
    """
    config = body.get("config", body) if isinstance(body, dict) else body
    vectors = _field(config, "vectors")
    distance = _field(vectors, "distance")
    if distance not in QDRANT_DISTANCES:
        raise UnprocessableError(f"unknown variant `{distance}`, expected one of `Cosine`, `Euclid`, `Dot`")
    quantization, subquantizers = _quantization(config.get("quantization_config"))
    size = _field(vectors, "size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise UnprocessableError(f"invalid type: {size!r}, expected usize")
    return Settings(
        size,
        QDRANT_DISTANCES[distance],
        quantization,
        subquantizers,
        _hnsw(config.get("hnsw_config")),
    )


def qdrant_view(settings: Settings) -> dict[str, Json]:
    """Give the `config` of `GET /qdrant/collections/{n}`."""
    distance = {metric: name for name, metric in QDRANT_DISTANCES.items()}[settings.metric]
    view: dict[str, Json] = {
        "vectors": {"size": settings.dimension, "distance": distance},
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": False,
        "hnsw_config": {
            "m": settings.hnsw.m,
            "ef_construct": settings.hnsw.ef_construction,
            "full_scan_threshold": settings.hnsw.ef_search,
            "max_indexing_threads": None,
            "on_disk": None,
        },
        "optimizer_config": OPTIMIZER,
        "wal_config": {"wal_capacity_mb": 1024, "wal_segments_ahead": 2},
    }
    quantization = _qdrant_quantization(settings)
    return view if quantization is None else {**view, "quantization_config": quantization}


def graphql_view(settings: Settings) -> dict[str, Json]:
    """Give the `config` of a GraphQL collection."""
    return {
        "dimension": settings.dimension,
        "metric": {metric: name for name, metric in GRAPHQL_METRICS.items()}[settings.metric],
        "hnswConfig": {
            "m": settings.hnsw.m,
            "efConstruction": settings.hnsw.ef_construction,
            "efSearch": settings.hnsw.ef_search,
        },
        "storageType": settings.storage,
        "shardingEnabled": settings.shards is not None,
        "shardCount": settings.shards,
        "graphEnabled": settings.graph,
    }


def quantization_view(settings: Settings) -> dict[str, Json]:
    """Give the `quantization` of details and list: the Rust Debug text, enabled only for SQ8."""
    names = {
        "sq8": "SQ { bits: 8 }",
        "binary": "Binary",
        "none": "None",
        "product": f"PQ {{ n_centroids: 256, n_subquantizers: {settings.subquantizers} }}",
    }
    enabled = settings.quantization == "sq8"
    return {"enabled": enabled, "type": names[settings.quantization], "bits": 8 if enabled else 0}


def _field(value: Json, name: str) -> Json:
    if not isinstance(value, dict):
        raise UnprocessableError("invalid type, expected a map")
    if name not in value:
        raise UnprocessableError(f"missing field `{name}`")
    return value[name]


def _hnsw(config: Json) -> Hnsw:
    if config is None:
        return Hnsw(m=16, ef_construction=100, ef_search=10000)
    return Hnsw(_field(config, "m"), _field(config, "ef_construct"), _field(config, "full_scan_threshold"))


def _quantization(config: Json) -> tuple[str, int]:
    if config is None or "scalar" in config:
        return "sq8", 8
    if "product" in config:
        return "product", PRODUCT_COMPRESSIONS.get(config["product"].get("compression"), 8)
    if "binary" in config:
        return "binary", 8
    raise UnprocessableError("data did not match any variant of untagged enum QdrantQuantizationConfig")


def _qdrant_quantization(settings: Settings) -> dict[str, Json] | None:
    if settings.quantization == "product":
        compression = {number: name for name, number in PRODUCT_COMPRESSIONS.items()}[settings.subquantizers]
        return {"product": {"compression": compression}}
    views: dict[str, dict[str, Json]] = {"sq8": {"scalar": {"type": "int8"}}, "binary": {"binary": {}}}
    return views.get(settings.quantization)
