"""A server as somebody without this product sees and fills it: plain requests, numbers and texts as they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
import requests

_LIST = """query{collections{name vectorCount config{
    dimension metric hnswConfig{m efConstruction efSearch} shardingEnabled shardCount graphEnabled}}}"""
_PAGE = "query($i:ScrollInput!){vectors(input:$i){items{id data payload} totalCount nextCursor}}"
_WRITE = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success affectedCount}}"
_CREATE = "mutation($i:CreateCollectionInput!){createCollection(input:$i){name}}"
_ABSENT = object()


@dataclass(frozen=True)
class Collection:
    """One collection as it was seen.

    :param settings: dimension, metric, index, quantization, graph, shards: as the server writes them
    :param vectors: shape (records, dimension), float32, in the server's order; NaN where it gave null
    :param payloads: JSON with sorted keys, numbers as Python reads them; "null" is none
    """

    count: int
    settings: str
    ids: tuple[str, ...]
    vectors: np.ndarray
    payloads: tuple[str, ...]

    @property
    def quantization(self) -> str:
        return next(iter(json.loads(self.settings)["quantization"] or ["none"]))

    @property
    def cosine(self) -> bool:
        return json.loads(self.settings)["metric"] == "COSINE"

    @property
    def records(self) -> dict[str, tuple[bytes, str]]:
        rows = zip(self.ids, self.vectors, self.payloads, strict=True)
        return {key: (vector.tobytes(), payload) for key, vector, payload in rows}


@dataclass(frozen=True)
class Sight:
    """All of a server."""

    collections: dict[str, Collection] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


class Outside:
    """Somebody with an HTTP client."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def see(self, *names: str) -> Sight:
        """Read everything, or these collections and their aliases."""
        listed = [entry for entry in self.graphql(_LIST)["collections"] if not names or entry["name"] in names]
        aliases = self.get("/qdrant/aliases")
        pairs = {one["alias_name"]: one["collection_name"] for one in aliases.get("result", aliases)["aliases"]}
        there = {entry["name"] for entry in listed}
        return Sight(
            {entry["name"]: self._collection(entry) for entry in listed},
            {alias: name for alias, name in pairs.items() if name in there},
        )

    def create(self, name: str, dimension: int, metric: str = "Cosine", quantization: str = "scalar", index=(16, 200)):
        """Make a collection: "scalar", "binary" or "product" by the Qdrant route, "none" by the native one."""
        if quantization == "none":
            native = {"Cosine": "cosine", "Euclid": "euclidean", "Dot": "dot"}[metric]
            return self.post("/collections", {"name": name, "dimension": dimension, "metric": native})
        m, ef = index
        kinds = {"scalar": {"scalar": {"type": "int8"}}, "binary": {"binary": {}}, "product": {"product": {}}}
        wanted = {
            "vectors": {"size": dimension, "distance": metric},
            "hnsw_config": {"m": m, "ef_construct": ef, "full_scan_threshold": ef // 2},
            "quantization_config": kinds[quantization],
        }
        return self._call("PUT", f"/qdrant/collections/{quote(name, safe='')}", wanted)

    def create_graph(self, name: str, dimension: int, **more: object) -> None:
        self.graphql(_CREATE, {"name": name, "dimension": dimension, "metric": "COSINE", **more})

    def write(self, name: str, vectors: Mapping[str, Sequence[float]], payloads: Mapping[str, object] = {}) -> None:
        """Upsert; an id without an entry in ``payloads`` has none."""
        given = [
            {"id": key, "data": [*map(float, vector)]}
            | ({} if payloads.get(key, _ABSENT) is _ABSENT else {"payload": payloads[key]})
            for key, vector in vectors.items()
        ]
        for at in range(0, len(given), 500):
            piece = given[at : at + 500]
            done = self.graphql(_WRITE, {"collection": name, "vectors": piece})["upsertVectors"]
            assert done == {"success": True, "affectedCount": len(piece)}

    def insert(self, name: str, vectors: Mapping[str, Sequence[float]]) -> None:
        """Upsert by the route that never lets a record vanish."""
        given = [{"id": key, "embedding": [*map(float, vector)]} for key, vector in vectors.items()]
        assert self.post("/insert_vectors", {"collection": name, "vectors": given})["failed"] == 0

    def erase(self, name: str, ids: Sequence[str]) -> None:
        self.post("/batch_delete", {"collection": name, "ids": [*ids]})

    def drop(self, name: str) -> None:
        self._call("DELETE", f"/qdrant/collections/{quote(name, safe='')}")

    def alias(self, alias: str, name: str) -> None:
        action = {"create_alias": {"alias_name": alias, "collection_name": name}}
        self.post("/qdrant/collections/aliases", {"actions": [action]})

    def drop_alias(self, alias: str) -> None:
        self.post("/qdrant/collections/aliases", {"actions": [{"delete_alias": {"alias_name": alias}}]})

    def flush(self, name: str) -> None:
        assert self.post(f"/collections/{quote(name, safe='')}/force-save", {})["flushed"] is True

    def get(self, path: str):
        return self._call("GET", path)

    def post(self, path: str, value: object):
        return self._call("POST", path, value)

    def graphql(self, query: str, given: object = None) -> dict:
        answer = self.post("/graphql", {"query": query, "variables": {} if given is None else {"i": given}})
        assert not answer.get("errors"), answer["errors"]
        return answer["data"]

    def _call(self, method: str, path: str, value: object = None):
        answer = self._session.request(method, self._url + path, json=value, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return json.loads(answer.content) if answer.content else None

    def _collection(self, entry: dict) -> Collection:
        name, dimension = entry["name"], entry["config"]["dimension"]
        qdrant = self.get(f"/qdrant/collections/{quote(name, safe='')}")["result"]["config"]
        items = []
        cursor: str | None = "0"
        while cursor is not None:
            page = self.graphql(_PAGE, {"collection": name, "limit": 1000, "cursor": cursor})["vectors"]
            items += page["items"]
            cursor = page["nextCursor"]
        rows = [[np.nan if one is None else one for one in item["data"]] for item in items]
        return Collection(
            count=entry["vectorCount"],
            settings=json.dumps(entry["config"] | {"quantization": qdrant.get("quantization_config")}, sort_keys=True),
            ids=tuple(item["id"] for item in items),
            vectors=np.array(rows, np.float64).reshape(-1, dimension).astype(np.float32),
            payloads=tuple(json.dumps(item["payload"], sort_keys=True) for item in items),
        )


def codes(vectors: np.ndarray) -> np.ndarray:
    """The SQ8 codes behind what a server shows: each component's place among 256 between smallest and largest."""
    wide = vectors.astype(np.float64)
    low, high = wide.min(axis=1, keepdims=True), wide.max(axis=1, keepdims=True)
    return np.rint((wide - low) / np.where(high > low, high - low, 1) * 255).astype(np.uint8)


def unlike(before: Sight, after: Sight) -> list[str]:
    """Name every difference between a server and what was restored from its backup; aliases and order included."""
    found = [f"collection {name!r} is missing or new" for name in before.collections.keys() ^ after.collections.keys()]
    if before.aliases != after.aliases:
        found.append(f"aliases: {before.aliases} became {after.aliases}")
    for name in before.collections.keys() & after.collections.keys():
        found += (f"{name!r}: {what}" for what in _differences(before.collections[name], after.collections[name]))
    return found


def _differences(one: Collection, other: Collection) -> list[str]:
    found = []
    if one.settings != other.settings:
        found.append(f"settings: {one.settings} became {other.settings}")
    if one.count != len(one.ids) or other.count != len(other.ids):
        found.append(f"counts {one.count} and {other.count}, lists {len(one.ids)} and {len(other.ids)}")
    if one.ids != other.ids:
        return [*found, f"ids: {len({*one.ids} ^ {*other.ids})} are others, or the order is"]
    changed = [key for key, was, now in zip(one.ids, one.payloads, other.payloads, strict=True) if was != now]
    found += (f"payload of {key!r}" for key in changed)
    found += (f"vector of {one.ids[row]!r}" for row in np.flatnonzero(~_same_vectors(one, other)))
    return found


def _same_vectors(one: Collection, other: Collection) -> np.ndarray:
    """The same codes where codes are kept, the same bits elsewhere; Cosine up to the server's own normalising."""
    same = np.all(one.vectors.view(np.uint32) == other.vectors.view(np.uint32), axis=1)
    if one.cosine and one.quantization != "binary":
        same = np.all(np.abs(_unit(one.vectors) - _unit(other.vectors)) <= 1e-6, axis=1)
    if one.quantization == "scalar":
        same &= np.all(codes(one.vectors) == codes(other.vectors), axis=1)
    return same


def _unit(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(lengths > 0, lengths, 1)
