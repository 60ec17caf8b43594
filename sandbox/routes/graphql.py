"""`/graphql`: the part of the server's schema that reads and writes vectors."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from graphql import (
    GraphQLError,
    GraphQLSyntaxError,
    execute_sync,
    parse,
    validate,
)
from graphql.execution import ExecutionResult

from sandbox import VERSION, payloads, settings
from sandbox.collection import Collection, Page, Record
from sandbox.database import Database
from sandbox.failures import InvalidConfigurationError, OnDiskOnly, ServerError, TextError
from sandbox.patience import PatientRoute
from sandbox.payloads import Json
from sandbox.rendering import RawJson, raw, widened
from sandbox.schema import RULES, SCHEMA
from sandbox.search import nearest
from sandbox.wire import answer, database, json_body, optional

router = APIRouter(route_class=PatientRoute)

MEDIA_TYPE = "application/graphql-response+json"
PAGE_CAP = 1000


@router.post("/graphql")
async def graphql(request: Request) -> Response:
    """Execute one operation; errors are 200 with `data: null`."""
    try:
        body = await json_body(request)
    except TextError as error:
        return Response(f"InvalidRequest({error.message})", error.status)
    query = optional(body, "query")
    query = query if isinstance(query, str) else ""
    result = _execute(database(request), query, optional(body, "variables"), optional(body, "operationName"))
    return answer(_result_view(result), media_type=MEDIA_TYPE)


def _execute(state: Database, query: str, variables: Json, operation: Json) -> ExecutionResult:
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return ExecutionResult(None, [error])
    errors = validate(SCHEMA, document, RULES)
    if errors:
        return ExecutionResult(None, errors)
    result = execute_sync(
        SCHEMA, document, _Root(state).fields(), variable_values=variables or {}, operation_name=operation
    )
    for problem in result.errors or ():
        if isinstance(problem.original_error, OnDiskOnly):
            raise problem.original_error
    return result


def _result_view(result: ExecutionResult) -> dict[str, Json]:
    view: dict[str, Json] = {"data": result.data}
    if result.errors:
        view["errors"] = [error.formatted for error in result.errors]
    return view


class _Root:
    """Resolvers of both roots over one database."""

    def __init__(self, state: Database) -> None:
        self._state = state

    def fields(self) -> dict[str, Callable[..., Json]]:
        """Return the resolvers by field name."""
        return {
            "collections": self._collections,
            "collection": self._collection,
            "vector": self._vector,
            "vectors": self._vectors,
            "search": self._search,
            "stats": self._stats,
            "createCollection": self._create_collection,
            "deleteCollection": self._delete_collection,
            "upsertVector": self._upsert_vector,
            "upsertVectors": self._upsert_vectors,
            "deleteVector": self._delete_vector,
            "updatePayload": self._update_payload,
        }

    def _collections(self, _info: Json) -> list[dict[str, Json]]:
        return [_collection_view(each) for each in self._state.listed()]

    def _collection(self, _info: Json, name: str) -> dict[str, Json] | None:
        try:
            return _collection_view(self._state.get(name))
        except ServerError:
            return None

    def _vector(self, _info: Json, collection: str, id: str) -> dict[str, Json] | None:  # noqa: A002
        try:
            found = self._state.get(collection)
        except ServerError:
            return None
        return _vector_views(_normalized(found.page([id])))[0] if id in found else None

    def _vectors(self, _info: Json, input: dict[str, Json]) -> dict[str, Json]:  # noqa: A002
        collection = self._open(input["collection"])
        ids = collection.ids()
        cursor = input.get("cursor") or ""
        offset = int(cursor) if cursor.isascii() and cursor.isdigit() else 0
        limit = min(input["limit"], PAGE_CAP)
        items = ids[offset : offset + limit] if limit >= 0 else ids[offset:]  # negative is huge, unsigned
        following = offset + len(items)
        more = following < len(ids)
        return {
            "items": _vector_views(collection.page(items)),
            "totalCount": len(ids),
            "hasNextPage": more,
            "nextCursor": str(following) if more else None,
        }

    def _search(self, _info: Json, input: dict[str, Json]) -> list[dict[str, Json]]:  # noqa: A002
        try:
            hits = nearest(self._state.get(input["collection"]), input["vector"], input["limit"])
        except ServerError as error:
            raise GraphQLError(f"Search failed: {error}") from error
        threshold = input.get("scoreThreshold")
        return [
            {
                "id": hit.id,
                "score": hit.score,
                "vector": RawJson(*widened(hit.vector[None, :])),
                "payload": raw(hit.payload),
            }
            for hit in hits
            if threshold is None or hit.score >= threshold
        ]

    def _stats(self, _info: Json) -> dict[str, Json]:
        collections = self._state.listed()
        return {
            "version": VERSION,
            "collectionCount": len(collections),
            "totalVectors": sum(each.count for each in collections),
            "uptimeSeconds": self._state.uptime_seconds,
            "memoryUsageBytes": 0,
        }

    def _create_collection(self, _info: Json, input: dict[str, Json]) -> dict[str, Json]:  # noqa: A002
        wanted = settings.Settings(
            input["dimension"],
            settings.GRAPHQL_METRICS[input.get("metric") or "COSINE"],
            hnsw=settings.Hnsw(input.get("hnswM") or 16, input.get("hnswEfConstruction") or 200),
            normalizes_text=True,
            shards=input.get("shardCount"),
            graph=bool(input.get("enableGraph")),
        )
        try:
            if wanted.shards is not None and wanted.shards <= 0:
                raise InvalidConfigurationError("Shard count must be greater than 0")
            return _collection_view(self._state.create(input["name"], wanted))
        except ServerError as error:
            raise GraphQLError(f"Failed to create collection: {error}") from error

    def _delete_collection(self, _info: Json, name: str) -> dict[str, Json]:
        try:
            self._state.delete(name)
        except ServerError as error:
            return {"success": False, "message": f"Failed to delete collection: {error}"}
        return {"success": True, "message": f"Collection '{name}' deleted"}

    def _upsert_vector(self, _info: Json, collection: str, input: dict[str, Json]) -> dict[str, Json]:  # noqa: A002
        record = _record(input)
        self._upsert(collection, [record], "vector")
        return {
            "id": record.id,
            "data": list(record.vector),
            "dimension": len(record.vector),
            "payload": raw(record.payload),
        }

    def _upsert_vectors(self, _info: Json, input: dict[str, Json]) -> dict[str, Json]:  # noqa: A002
        records = [_record(each) for each in input["vectors"]]
        self._upsert(input["collection"], records, "vectors")
        return {"success": True, "message": None, "affectedCount": len(records)}

    def _upsert(self, name: str, records: list[Record], what: str) -> None:
        """Delete all ids, then insert all or nothing: a wrong dimension loses the vectors that were there."""
        try:
            collection = self._state.get(name)
            for record in records:
                if record.id in collection:
                    collection.delete(record.id)
            collection.insert(records)
        except ServerError as error:
            raise GraphQLError(f"Failed to upsert {what}: {error}") from error

    def _delete_vector(self, _info: Json, collection: str, id: str) -> dict[str, Json]:  # noqa: A002
        try:
            self._state.get(collection).delete(id)
        except ServerError as error:
            return {"success": False, "message": f"Failed to delete vector: {error}"}
        return {"success": True, "message": f"Vector '{id}' deleted"}

    def _update_payload(
        self,
        _info: Json,
        collection: str,
        id: str,  # noqa: A002
        payload: Json,
        **_keys: Json,
    ) -> dict[str, Json]:
        """Write the vector back as it reads, with another payload."""
        try:
            found = self._state.get(collection)
            if id not in found:
                raise GraphQLError(f"Vector not found: Vector not found: {id}")
            vector = found.page([id]).vectors[0]
            found.insert([Record(id, vector, payloads.to_text(payload))])
        except ServerError as error:
            raise GraphQLError(f"Vector not found: {error}") from error
        return {"success": True, "message": "Payload updated"}

    def _open(self, name: str) -> Collection:
        try:
            return self._state.get(name)
        except ServerError as error:
            raise GraphQLError(f"Collection not found: {error}") from error


def _record(given: dict[str, Json]) -> Record:
    payload = given.get("payload")
    return Record(given["id"], given["data"], None if payload is None else payloads.to_text(payload))


def _collection_view(collection: Collection) -> dict[str, Json]:
    return {
        "name": collection.name,
        "tenantId": None,
        "createdAt": collection.created_at,
        "updatedAt": collection.updated_at,
        "vectorCount": collection.count,
        "documentCount": 0,
        "config": settings.graphql_view(collection.settings),
    }


def _vector_views(page: Page) -> list[dict[str, Json]]:
    return [
        {
            "id": vector_id,
            "data": RawJson(vector),
            "dimension": page.vectors.shape[1],
            "payload": None if payload == "null" else raw(payload),
        }
        for vector_id, vector, payload in zip(page.ids, widened(page.vectors), page.payloads, strict=True)
    ]


def _normalized(page: Page) -> Page:
    texts = [None if text is None else payloads.normalized(text) for text in page.payloads]
    return Page(page.ids, page.vectors, texts)
