"""A thin voice of the tests: requests with a timeout, and the calls that many tests make."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import requests

TIMEOUT_SECONDS = 30

PAGE = "query($i:ScrollInput!){vectors(input:$i){items{id data payload} totalCount hasNextPage nextCursor}}"
UPSERT = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success message affectedCount}}"


class Api:
    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url
        self.headers = headers or {}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=TIMEOUT_SECONDS, **options)

    def get(self, path: str) -> requests.Response:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.call("POST", path, json={} if body is None else body)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.post("/graphql", {"query": query, "variables": variables}).json()
        return answer

    def create(self, name: str, size: int = 4, distance: str = "Euclid", **more: Any) -> None:
        body = {"vectors": {"size": size, "distance": distance}, **more}
        response = self.call("PUT", f"/qdrant/collections/{quote(name, safe='')}", json=body)
        assert response.status_code == 200, response.text

    def upsert(self, name: str, vectors: dict[str, Sequence[float]], payload: Any = None) -> None:
        records: list[dict[str, Any]] = [{"id": key, "data": list(vectors[key])} for key in vectors]
        if payload is not None:
            records = [{**record, "payload": payload} for record in records]
        self.upsert_records(name, records)

    def upsert_records(self, name: str, records: list[dict[str, Any]]) -> None:
        answer = self.graphql(UPSERT, i={"collection": name, "vectors": records})
        assert answer["data"]["upsertVectors"] == {
            "success": True,
            "message": None,
            "affectedCount": len(records),
        }

    def page(self, name: str, limit: int = 1000, **more: Any) -> dict[str, Any]:
        answer = self.graphql(PAGE, i={"collection": name, "limit": limit, **more})
        page: dict[str, Any] = answer["data"]["vectors"]
        return page

    def ids(self, name: str) -> list[str]:
        return [item["id"] for item in self.page(name)["items"]]

    def scroll(self, name: str, **body: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.post(f"/qdrant/collections/{quote(name, safe='')}/points/scroll", body).json()
        return result["result"]

    def details(self, name: str) -> dict[str, Any]:
        details: dict[str, Any] = self.get(f"/collections/{quote(name, safe='')}").json()
        return details

    def count(self, name: str) -> int:
        count = self.post(f"/qdrant/collections/{quote(name, safe='')}/points/count", {"exact": True}).json()
        number: int = count["result"]["count"]
        return number

    def names(self) -> list[str]:
        return [each["name"] for each in self.get("/collections").json()["collections"]]

    def save(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.post(f"/collections/{quote(name, safe='')}/force-save").json()
        return answer

    def rename(self, old: str, new: str) -> requests.Response:
        return self.post(f"/collections/{quote(old, safe='')}/rename", {"new_name": new})

    def drop_alias(self, alias: str) -> requests.Response:
        action = {"delete_alias": {"alias_name": alias}}
        return self.post("/qdrant/collections/aliases", {"actions": [action]})
