"""`/qdrant`: collections, points and aliases in the Qdrant dialect."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from sandbox import payloads, settings
from sandbox.collection import Collection, Page, Record
from sandbox.database import Database
from sandbox.failures import (
    CollectionExistsError,
    CollectionNotFoundError,
    PlainError,
    ServerError,
    UnprocessableError,
)
from sandbox.patience import PatientRoute, patiently
from sandbox.payloads import Json
from sandbox.rendering import RawJson, joined, raw, scalar, shortest
from sandbox.search import nearest
from sandbox.wire import answer, database, json_body, optional, segment, whole_number

router = APIRouter(prefix="/qdrant", route_class=PatientRoute)

SCHEMA_SAMPLE = 100
ACKNOWLEDGED = {"status": "acknowledged", "operation_id": None}


@router.get("/collections")
async def list_collections(request: Request) -> Response:
    """Answer the information of all collections."""
    listed = [_information(each.name, each) for each in database(request).listed()]
    return answer({"collections": listed})


@router.get("/collections/aliases")
@router.get("/aliases")
async def list_aliases(request: Request) -> Response:
    """Answer all aliases."""
    return answer({"aliases": _alias_views(database(request).aliases())})


@router.post("/collections/aliases")
async def change_aliases(request: Request) -> Response:
    """Apply alias actions one after the other; the first that fails ends it."""
    body = await json_body(request)
    actions = optional(body, "actions")
    if not isinstance(actions, list):
        raise UnprocessableError("missing field `actions`")
    state = database(request)
    for action in actions:
        await patiently(state, partial(_change_alias, state, action))
    return answer({"status": "ok", "time": 0.0, "result": True})


def _change_alias(state: Database, action: Json) -> None:
    match action:
        case {"create_alias": {"alias_name": str(alias), "collection_name": str(target)}}:
            state.create_alias(alias, target)
        case {"delete_alias": {"alias_name": str(alias)}}:
            state.delete_alias(alias)
        case {"rename_alias": {"old_alias_name": str(old), "new_alias_name": str(new)}}:
            state.rename_alias(old, new)
        case _:
            raise UnprocessableError("data did not match any variant of untagged enum QdrantAliasOperations")


@router.get("/collections/{name}/aliases")
async def list_collection_aliases(request: Request) -> Response:
    """Answer the aliases of one collection."""
    state = database(request)
    canonical = state.get(segment(request, "name")).name
    aliases = {alias: target for alias, target in state.aliases().items() if target == canonical}
    return answer({"aliases": _alias_views(aliases)})


@router.get("/collections/{name}")
async def get_collection(request: Request) -> Response:
    """Answer configuration and counts under the name that was asked for."""
    name = segment(request, "name")
    return answer({"result": _information(name, _collection(request))})


@router.put("/collections/{name}")
async def create_collection(request: Request) -> Response:
    """Create a collection, SQ8 unless another quantization is named; none cannot be."""
    name = segment(request, "name")
    wanted = settings.from_qdrant(await json_body(request))
    try:
        database(request).create(name, wanted)
    except CollectionExistsError as error:
        raise PlainError(409, "collection_already_exists", f"collection '{name}' already exists") from error
    return answer("acknowledged")


@router.delete("/collections/{name}")
async def delete_collection(request: Request) -> Response:
    """Delete from memory."""
    name = segment(request, "name")
    try:
        database(request).delete(name)
    except CollectionNotFoundError as error:
        raise _not_found(name) from error
    return answer("acknowledged")


@router.post("/collections/{name}/points/scroll")
async def scroll_points(request: Request) -> Response:
    """Answer a page of any size from an id on; an id that is not there means from the start."""
    collection = _collection(request)
    body = await json_body(request)
    limit = whole_number(optional(body, "limit"), 10)
    ids = collection.ids()
    offset = optional(body, "offset")
    start = _position(ids, None if offset is None else str(offset))
    page = collection.page(ids[start : start + limit])
    more = start + limit < len(ids) and page.ids
    following = page.ids[-1] if more else None
    return answer({"result": {"points": joined(_points(page)), "next_page_offset": following}})


@router.post("/collections/{name}/points/count")
async def count_points(request: Request) -> Response:
    """Answer the count, which is not always what is listed."""
    collection = _collection(request)
    await json_body(request)
    return answer({"result": {"count": collection.count}})


@router.post("/collections/{name}/points/search")
async def search_points(request: Request) -> Response:
    """Search by vector."""
    collection = _collection(request)
    body = await json_body(request)
    vector = optional(body, "vector")
    if not isinstance(vector, list):
        raise UnprocessableError("missing field `vector`")
    hits = nearest(collection, vector, whole_number(optional(body, "limit"), 10))
    with_payload, with_vector = optional(body, "with_payload"), optional(body, "with_vector")
    return answer({
        "result": [
            {
                "id": hit.id,
                "vector": RawJson(*shortest(hit.vector[None, :])) if with_vector else None,
                "payload": raw(payloads.as_points_show_it(hit.payload)) if with_payload else None,
                "score": hit.score,
            }
            for hit in hits
        ]
    })


@router.post("/collections/{name}/points/delete")
async def delete_points(request: Request) -> Response:
    """Delete ids; missing ones are passed over."""
    collection = _collection(request)
    points = optional(await json_body(request), "points")
    if not isinstance(points, list):
        raise UnprocessableError("missing field `points`")
    for vector_id in map(str, points):
        if vector_id in collection:
            collection.delete(vector_id)
    return answer(ACKNOWLEDGED)


@router.post("/collections/{name}/points")
async def retrieve_points(request: Request) -> Response:
    """Answer records by id, their text normalised; missing ones are passed over."""
    collection = _collection(request)
    body = await json_body(request)
    ids = optional(body, "ids")
    if not isinstance(ids, list):
        raise UnprocessableError("missing field `ids`")
    found = collection.page([vector_id for vector_id in map(str, ids) if vector_id in collection])
    texts = [None if text is None else payloads.normalized(text) for text in found.payloads]
    page = Page(found.ids, found.vectors, texts)
    with_payload = optional(body, "with_payload") is not False
    return answer({"result": joined(_points(page, with_payload, bool(optional(body, "with_vector"))))})


@router.put("/collections/{name}/points")
async def upsert_points(request: Request) -> Response:
    """Check the points, acknowledge, then insert: a reader may look before they are there."""
    name, collection = segment(request, "name"), _collection(request)
    points = optional(await json_body(request), "points")
    if not isinstance(points, list):
        raise PlainError(400, "bad_request", "Invalid JSON: missing field `points`")
    records = [_record(point, collection.settings.dimension) for point in points]
    response = answer(ACKNOWLEDGED)
    response.background = BackgroundTask(_insert_afterwards, database(request), name, records)
    return response


async def _insert_afterwards(state: Database, name: str, records: list[Record]) -> None:
    """Insert what was acknowledged; what fails now is written to a log nobody is told of."""
    with suppress(ServerError):
        await patiently(state, lambda: state.get(name).insert(records))


def _collection(request: Request) -> Collection:
    name = segment(request, "name")
    try:
        return database(request).get(name)
    except CollectionNotFoundError as error:
        raise _not_found(name) from error


def _not_found(name: str) -> ServerError:
    return PlainError(404, "collection_not_found", f"collection '{name}' not found")


def _alias_views(aliases: dict[str, str]) -> list[dict[str, str]]:
    return [{"alias_name": alias, "collection_name": target} for alias, target in aliases.items()]


def _information(name: str, collection: Collection) -> dict[str, Json]:
    return {
        "name": name,
        "status": "green",
        "config": settings.qdrant_view(collection.settings),
        "stats": {
            "points_count": collection.count,
            "indexed_vectors_count": collection.count,
            "segments_count": 1,
            "segments": [],
        },
        "optimizer_status": {"ok": True, "error": None},
        "payload_schema": _payload_schema(collection),
    }


def _payload_schema(collection: Collection) -> dict[str, Json]:
    schema: dict[str, Json] = {}
    sample = collection.page(collection.ids()[:SCHEMA_SAMPLE])
    for text in sample.payloads:
        if text is not None:
            _note_types(payloads.from_text(text), schema)
    return schema


def _note_types(value: Json, schema: dict[str, Json]) -> None:
    for key, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, dict):
            _note_types(item, schema)
        elif item is not None:
            schema[key] = {"data_type": _type_name(item), "indexed": False}


def _type_name(value: Json) -> str:
    if isinstance(value, list):
        return _type_name(value[0]) if value and not isinstance(value[0], list) else "keyword"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "integer" if value in payloads.SIGNED_64 else "float"
    return "float" if isinstance(value, float) else "keyword"


def _position(ids: Sequence[str], offset: str | None) -> int:
    try:
        return 0 if offset is None else ids.index(offset)
    except ValueError:
        return 0


def _points(page: Page, with_payload: bool = True, with_vector: bool = True) -> Iterator[bytes]:
    vectors = shortest(page.vectors) if with_vector else [b"[]"] * len(page.ids)
    texts = map(payloads.as_points_show_it, page.payloads) if with_payload else ["null"] * len(page.ids)
    return (
        b'{"id":%b,"vector":%b,"payload":%b}' % (scalar(vector_id), vector, payload.encode())
        for vector_id, vector, payload in zip(page.ids, vectors, texts, strict=True)
    )


def _record(point: Json, dimension: int) -> Record:
    vector, vector_id = optional(point, "vector"), optional(point, "id")
    if isinstance(vector, dict) and len(vector) == 1:
        vector = next(iter(vector.values()))
    if not isinstance(vector, list) or not isinstance(vector_id, str | int):
        raise PlainError(400, "bad_request", "Invalid JSON: data did not match any variant")
    if len(vector) != dimension:
        message = f"Vector dimension mismatch: expected {dimension}, got {len(vector)}"
        raise PlainError(400, "vector_dimension_mismatch", message)
    payload = optional(point, "payload")
    return Record(str(vector_id), vector, None if payload is None else payloads.to_text(payload))
