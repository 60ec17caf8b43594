"""`/collections`: list, create, details, delete, force-save, rename."""

import time

from fastapi import APIRouter, Request, Response

from sandbox import clock, settings
from sandbox.collection import Collection
from sandbox.failures import ProviderDimensionError, StorageError
from sandbox.patience import PatientRoute
from sandbox.payloads import Json
from sandbox.settings import PROVIDER, PROVIDER_DIMENSION
from sandbox.wire import answer, database, json_body, optional, required_text, segment, whole_number

router = APIRouter(route_class=PatientRoute)

KIB, MIB = 1024, 1024 * 1024
NORMALIZATION_DETAILS = {
    "enabled": True,
    "level": "Moderate",
    "preserve_case": True,
    "collapse_whitespace": True,
    "remove_html": False,
    "cache_enabled": True,
    "cache_size_mb": 100,
    "normalize_queries": True,
    "store_raw_text": True,
}


@router.get("/collections")
async def list_collections(request: Request) -> Response:
    """List what is in memory; `updated_at` is now, whatever happened."""
    listed = [_list_entry(collection) for collection in database(request).listed()]
    return answer({"collections": listed, "total_collections": len(listed)})


@router.post("/collections")
async def create_collection(request: Request) -> Response:
    """Create an unquantized collection of the provider's dimension."""
    body = await json_body(request)
    name = required_text(body, "name")
    dimension = whole_number(optional(body, "dimension"), PROVIDER_DIMENSION)
    metric = optional(body, "metric")
    metric = metric if isinstance(metric, str) else "cosine"
    if dimension != PROVIDER_DIMENSION and request.app.state.dialect == "bare":
        raise ProviderDimensionError(PROVIDER, PROVIDER_DIMENSION, dimension)
    database(request).create(name, settings.from_native(dimension, metric))
    message = f"Collection '{name}' created successfully"
    return answer({"message": message, "collection": name, "dimension": dimension, "metric": metric})


@router.get("/collections/empty")
async def list_empty_collections(request: Request) -> Response:
    """List empty collections: a collection of this very name is out of sight here."""
    empty = [collection.name for collection in database(request).listed() if not collection.count]
    return answer({"status": "success", "empty_collections": empty, "count": len(empty)})


@router.get("/collections/cleanup")
async def refuse_to_get_cleanup() -> Response:
    """Refuse: a collection of this very name is out of sight here."""
    return Response(status_code=405, headers={"allow": "DELETE"})


@router.delete("/collections/cleanup")
async def cleanup_empty_collections(request: Request) -> Response:
    """Delete the empty collections, or say how many."""
    state = database(request)
    dry_run = request.query_params.get("dry_run") == "true"
    empty = [collection.name for collection in state.listed() if not collection.count]
    for name in [] if dry_run else empty:
        state.delete(name)
    did = "Would delete" if dry_run else "Successfully deleted"
    message = f"{did} {len(empty)} empty collections"
    return answer({"status": "success", "message": message, "deleted_count": len(empty), "dry_run": dry_run})


@router.get("/collections/{name}")
async def get_collection(request: Request) -> Response:
    """Answer the details under the name that was asked for, true times included."""
    name = segment(request, "name")
    collection = database(request).get(name)
    collection.sample_count()
    normalization = (
        NORMALIZATION_DETAILS
        if collection.settings.normalizes_text
        else {
            "enabled": False,
            "message": "Text normalization is disabled for this collection",
        }
    )
    return answer({
        **_common(name, collection),
        "created_at": collection.created_at,
        "updated_at": collection.updated_at,
        "size": _size_view(collection),
        "quantization": settings.quantization_view(collection.settings),
        "normalization": normalization,
        "vector_count_history": collection.history,
        "status": "ready",
    })


@router.delete("/collections/{name}")
async def delete_collection(request: Request) -> Response:
    """Delete from memory."""
    name = segment(request, "name")
    database(request).delete(name)
    return answer({"message": f"Collection '{name}' deleted successfully"})


@router.post("/collections/{name}/force-save")
async def force_save(request: Request) -> Response:
    """Flush everything; a refusal is 200 with `flushed: false`."""
    name = segment(request, "name")
    state = database(request)
    state.get(name)
    try:
        state.flush()
    except StorageError as error:
        message = f"Failed to save collection: {error}"
        return answer({"success": False, "message": message, "flushed": False})
    return answer({"success": True, "message": f"Collection '{name}' saved successfully", "flushed": True})


@router.post("/collections/{name}/rename")
async def rename_collection(request: Request) -> Response:
    """Rename; the old name stays as an alias."""
    name = segment(request, "name")
    new_name = required_text(await json_body(request), "new_name")
    database(request).rename(name, new_name)
    return answer({"old_name": name, "new_name": new_name, "alias_retained": name, "status": "ok"})


@router.post("/collections/{name}/reindex")
async def reindex_collection(request: Request) -> Response:
    """Build the index anew with other settings, of which no configuration tells afterwards."""
    name = segment(request, "name")
    body = await json_body(request)
    params = {
        "m": whole_number(optional(body, "m"), 16),
        "ef_construction": whole_number(optional(body, "ef_construction"), 200),
        "ef_search": whole_number(optional(body, "ef_search"), 100),
    }
    database(request).get(name)
    job = f"reindex-{name}-{int(time.time())}"
    return answer({"job_id": job, "collection": name, "state": "completed", "params": params, "progress": 1.0})


def _common(name: str, collection: Collection) -> dict[str, Json]:
    return {
        "name": name,
        "vector_count": collection.count,
        "document_count": 0,
        "dimension": collection.settings.dimension,
        "metric": collection.settings.metric,
        "embedding_provider": PROVIDER,
    }


def _list_entry(collection: Collection) -> dict[str, Json]:
    normalizes = collection.settings.normalizes_text
    return {
        **_common(collection.name, collection),
        "size": _size_view(collection),
        "quantization": settings.quantization_view(collection.settings),
        "normalization": {"enabled": normalizes, "level": "Moderate" if normalizes else "Disabled"},
        "created_at": collection.created_at,
        "updated_at": clock.now(),
        "indexing_status": {
            "status": "completed",
            "progress": 1.0,
            "total_documents": collection.count,
            "processed_documents": collection.count,
            "errors": 0,
            "start_time": clock.now(),
            "end_time": clock.now(),
        },
    }


def _size_view(collection: Collection) -> dict[str, Json]:
    sizes = collection.sizes()
    parts = {"total": sizes.total, "index": sizes.index, "payload": sizes.payload}
    view: dict[str, Json] = {}
    for name, number in parts.items():
        view |= {name: _readable(number), f"{name}_bytes": number}
    return view


def _readable(number: int) -> str:
    if number >= MIB:
        return f"{number / MIB:.1f} MB"
    if number >= KIB:
        return f"{number / KIB:.1f} KB"
    return f"{number} B"
