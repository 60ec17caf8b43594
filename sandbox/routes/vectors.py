"""Vectors in the native dialect: list, mock get, delete, batch delete, inserts, search."""

from uuid import uuid4

from fastapi import APIRouter, Request, Response

from sandbox import payloads, settings
from sandbox.collection import Collection, Record
from sandbox.database import Database
from sandbox.embedding import embed
from sandbox.failures import CollectionNotFoundError, InvalidDimensionError, InvalidFieldError, PlainError, ServerError
from sandbox.patience import PatientRoute
from sandbox.payloads import Json
from sandbox.rendering import RawJson, joined, raw, scalar, widened
from sandbox.search import Hit, nearest
from sandbox.settings import PROVIDER_DIMENSION
from sandbox.wire import answer, database, json_body, optional, required_text, segment, whole_number

router = APIRouter(route_class=PatientRoute)

LIST_CAP = 50
LAST_OFFSET = 1_000_000
LONGEST_ID = 256


@router.get("/collections/{name}/vectors")
async def list_vectors(request: Request) -> Response:
    """List at most 50 in the order of insertion, whatever `limit` says."""
    collection = database(request).get(segment(request, "name"))
    limit = min(_query_number(request, "limit", 10), LIST_CAP)
    offset = min(_query_number(request, "offset", 0), LAST_OFFSET)
    ids = collection.ids()
    total = len(ids)
    page = collection.page(ids[offset : offset + limit])
    vectors = joined(
        b'{"id":%b,"vector":%b,"payload":%b}' % (scalar(vector_id), vector, (payload or "null").encode())
        for vector_id, vector, payload in zip(page.ids, widened(page.vectors), page.payloads, strict=True)
    )
    message = f"Showing {min(limit, total)} of {total} vectors. Use pagination for more."
    return answer({
        "vectors": vectors,
        "total": total,
        "limit": limit,
        "offset": offset,
        "message": message if total > limit else None,
    })


@router.get("/collections/{name}/vectors/{vector_id}")
async def get_vector(request: Request) -> Response:
    """Answer a mock for any id."""
    name = segment(request, "name")
    database(request).get(name)
    vector = [0.1] * PROVIDER_DIMENSION
    return answer({"id": segment(request, "vector_id"), "vector": vector, "metadata": {"collection": name}})


@router.delete("/collections/{name}/vectors/{vector_id}")
async def delete_vector(request: Request) -> Response:
    """Delete one vector."""
    name, vector_id = segment(request, "name"), segment(request, "vector_id")
    database(request).get(name).delete(vector_id)
    message = f"Vector '{vector_id}' deleted from collection '{name}'"
    return answer({"message": message, "success": True})


@router.post("/batch_delete")
async def batch_delete(request: Request) -> Response:
    """Delete ids; a missing one, and a missing collection, is an error of the item only."""
    body = await json_body(request)
    name = required_text(body, "collection")
    ids = optional(body, "ids")
    if not isinstance(ids, list):
        raise InvalidFieldError("ids", "missing or invalid ids parameter")
    if not ids:
        raise InvalidFieldError("ids", "ids array must contain at least one entry")
    results = [_deleted(database(request), name, index, each) for index, each in enumerate(ids)]
    deleted = sum(result["status"] == "ok" for result in results)
    return answer({
        "collection": name,
        "count": len(ids),
        "deleted": deleted,
        "failed": len(ids) - deleted,
        "results": results,
    })


@router.post("/insert_vectors")
async def insert_vectors(request: Request) -> Response:
    """Insert one by one: 200 even when every item failed; a missing collection is made."""
    body = await json_body(request)
    name = required_text(body, "collection")
    entries = _entries(body, "vectors", "missing or invalid vectors parameter (expected an array)")
    collection = _existing_or_new(database(request), name)
    results = [_inserted_vector(collection, index, entry) for index, entry in enumerate(entries)]
    return answer(_summary(name, results))


@router.post("/insert_texts")
async def insert_texts(request: Request) -> Response:
    """Embed texts and insert them; metadata values become strings."""
    body = await json_body(request)
    name = required_text(body, "collection")
    entries = _entries(body, "texts", "missing or invalid texts parameter")
    collection = _existing_or_new(database(request), name)
    results = [_inserted_text(collection, index, entry) for index, entry in enumerate(entries)]
    return answer(_summary(name, results))


@router.post("/collections/{name}/search")
async def search_by_vector(request: Request) -> Response:
    """Search by vector."""
    name = segment(request, "name")
    body = await json_body(request)
    vector = optional(body, "vector")
    if not isinstance(vector, list):
        raise InvalidFieldError("vector")
    collection = database(request).get(name)
    dimension = collection.settings.dimension
    if len(vector) != dimension:
        reason = f"vector dimension {len(vector)} does not match collection dimension {dimension}"
        raise InvalidFieldError("vector", reason)
    return _found(name, collection, vector, body, "vector")


@router.post("/collections/{name}/search/text")
async def search_by_text(request: Request) -> Response:
    """Search by text."""
    name = segment(request, "name")
    body = await json_body(request)
    vector = embed(required_text(body, "query"))
    try:
        return _found(name, database(request).get(name), vector, body, "text")
    except InvalidDimensionError as error:
        raise PlainError(400, "bad_request", f"Search failed: {error}") from error


def _found(name: str, collection: Collection, vector: list[float], body: Json, kind: str) -> Response:
    limit = whole_number(optional(body, "limit"), 10)
    results = [_hit_view(hit) for hit in nearest(collection, vector, limit)]
    return answer({
        "results": results,
        "query_type": kind,
        "limit": limit,
        "collection": name,
        "total_results": len(results),
    })


def _hit_view(hit: Hit) -> dict[str, Json]:
    return {
        "id": hit.id,
        "score": hit.score,
        "vector": RawJson(*widened(hit.vector[None, :])),
        "payload": raw(hit.payload or "null"),
    }


def _query_number(request: Request, name: str, otherwise: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else otherwise


def _entries(body: Json, field: str, reason: str) -> list[Json]:
    entries = optional(body, field)
    if not isinstance(entries, list):
        raise InvalidFieldError(field, reason)
    if not entries:
        raise InvalidFieldError(field, f"{field} array must contain at least one entry")
    return entries


def _existing_or_new(state: Database, name: str) -> Collection:
    try:
        return state.get(name)
    except CollectionNotFoundError:
        return state.create(name, settings.of_missing_collection())


def _deleted(state: Database, name: str, index: int, vector_id: Json) -> dict[str, Json]:
    try:
        state.get(name).delete(str(vector_id))
    except ServerError as error:
        return {"index": index, "id": vector_id, "status": "error", "error": error.message}
    return {"index": index, "id": vector_id, "status": "ok"}


def _inserted_vector(collection: Collection, index: int, entry: Json) -> dict[str, Json]:
    client_id = optional(entry, "id")
    client_id = client_id if isinstance(client_id, str) else None
    try:
        _check_client_id(client_id)
        vector = _embedding(entry, collection.settings.dimension)
        vector_id = client_id if client_id is not None else str(uuid4())
        collection.insert([Record(vector_id, vector, payloads.to_text(_vector_payload(entry)))])
    except ServerError as error:
        return _item_error(index, client_id, error)
    return {"index": index, "client_id": client_id, "status": "ok", "vector_ids": [vector_id]}


def _inserted_text(collection: Collection, index: int, entry: Json) -> dict[str, Json]:
    client_id = optional(entry, "id")
    client_id = client_id if isinstance(client_id, str) else None
    text = optional(entry, "text")
    if not isinstance(text, str):
        return {"index": index, "status": "error", "error": "missing or invalid text field"}
    try:
        _check_client_id(client_id)
        vector_id = client_id if client_id is not None else str(uuid4())
        collection.insert([Record(vector_id, embed(text), payloads.to_text(_metadata(entry)))])
    except ServerError as error:
        return _item_error(index, client_id, error)
    return {
        "index": index,
        "client_id": client_id,
        "status": "ok",
        "vector_ids": [vector_id],
        "vectors_created": 1,
        "chunked": False,
    }


def _item_error(index: int, client_id: str | None, error: ServerError) -> dict[str, Json]:
    return {
        "index": index,
        "client_id": client_id,
        "status": "error",
        "error": error.message,
        "error_type": error.error_type,
    }


def _summary(name: str, results: list[dict[str, Json]]) -> dict[str, Json]:
    inserted = sum(result["status"] == "ok" for result in results)
    return {
        "collection": name,
        "inserted": inserted,
        "failed": len(results) - inserted,
        "count": len(results),
        "results": results,
    }


def _check_client_id(client_id: str | None) -> None:
    if client_id is None:
        return
    if not client_id:
        raise InvalidFieldError("id", "client id must not be empty")
    if len(client_id.encode()) > LONGEST_ID:
        got = len(client_id.encode())
        raise InvalidFieldError("id", f"client id must be at most {LONGEST_ID} characters (got {got})")
    if client_id.strip() != client_id:
        raise InvalidFieldError("id", "client id must not have leading or trailing whitespace")
    if "#" in client_id:
        raise InvalidFieldError("id", "client id must not contain '#' (reserved as chunk separator)")


def _embedding(entry: Json, dimension: int) -> list[float]:
    embedding = optional(entry, "embedding")
    if embedding is None:
        raise InvalidFieldError("embedding", "missing or invalid embedding parameter (expected an array of f32)")
    if not isinstance(embedding, list):
        raise InvalidFieldError("embedding", "embedding must be an array of f32")
    if len(embedding) != dimension:
        raise InvalidFieldError(
            "embedding",
            f"embedding length {len(embedding)} does not match collection dimension {dimension}",
        )
    for index, component in enumerate(embedding):
        if isinstance(component, bool) or not isinstance(component, int | float):
            raise InvalidFieldError("embedding", f"embedding[{index}] is not a number")
    return embedding


def _vector_payload(entry: Json) -> Json:
    return entry["payload"] if "payload" in entry else _metadata(entry)


def _metadata(entry: Json) -> dict[str, str]:
    metadata = optional(entry, "metadata")
    if not isinstance(metadata, dict):
        return {}
    return {key: value if isinstance(value, str) else payloads.to_text(value) for key, value in metadata.items()}
