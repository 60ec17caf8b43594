"""Health, status and the other routes that say how the server is."""

from collections import Counter

from fastapi import APIRouter, Request, Response

from sandbox import VERSIONS, clock
from sandbox.collection import Collection
from sandbox.patience import PatientRoute
from sandbox.settings import PROVIDER, PROVIDER_DIMENSION
from sandbox.wire import answer, database

router = APIRouter(route_class=PatientRoute)

QUANTIZATION_LABELS = {"none": "none", "binary": "binary", "sq8": "sq-8bit", "product": "pq"}


@router.get("/health")
async def health(request: Request) -> Response:
    """Answer as ever: never anything but healthy."""
    cache = {"size": 0, "capacity": 1000, "hits": 0, "misses": 0, "evictions": 0, "hit_rate": 0.0}
    timestamp = clock.now().replace("+00:00", "Z")
    return answer({
        "status": "healthy",
        "timestamp": timestamp,
        "version": VERSIONS[request.app.state.dialect],
        "cache": cache,
    })


@router.get("/status")
async def status(request: Request) -> Response:
    """Answer version, uptime and the number of collections in memory."""
    state = database(request)
    return answer({
        "online": True,
        "version": VERSIONS[request.app.state.dialect],
        "uptime_seconds": state.uptime_seconds,
        "collections_count": len(state.names()),
    })


@router.get("/stats")
async def stats(request: Request) -> Response:
    """Answer counts over all collections."""
    state = database(request)
    collections = state.listed()
    label, ratio = _commonest_quantization(collections)
    return answer({
        "collections": len(collections),
        "total_vectors": sum(collection.count for collection in collections),
        "uptime_seconds": state.uptime_seconds,
        "version": VERSIONS[request.app.state.dialect],
        "default_quantization": label,
        "compression_ratio": ratio,
        "providers": [{"name": PROVIDER, "dimension": PROVIDER_DIMENSION, "default": True}],
        "default_provider": PROVIDER,
    })


@router.get("/indexing/progress")
async def indexing_progress(request: Request) -> Response:
    """Answer that everything is completed, as ever."""
    names = database(request).names()
    progress = {
        "status": "completed",
        "progress": 1.0,
        "total_documents": 0,
        "processed_documents": 0,
        "errors": 0,
    }
    return answer({
        "overall_status": "completed",
        "collections": [{"name": name, **progress} for name in names],
        "total_collections": len(names),
        "completed_collections": len(names),
        "processing_collections": 0,
    })


@router.get("/replication/status")
async def replication_status() -> Response:
    """Answer that this server stands alone."""
    return answer({"role": "Standalone", "enabled": False, "stats": None, "replicas": None})


def _commonest_quantization(collections: list[Collection]) -> tuple[str, float]:
    if not collections:
        return "none", 1.0
    counts = Counter(collection.settings.quantization for collection in collections)
    commonest = counts.most_common(1)[0][0]
    same = [each for each in collections if each.settings.quantization == commonest]
    return QUANTIZATION_LABELS[commonest], sum(map(_compression_ratio, same)) / len(same)


def _compression_ratio(collection: Collection) -> float:
    settings = collection.settings
    if settings.quantization == "product":
        return settings.dimension * 32 / (settings.subquantizers * 8)
    return {"none": 1.0, "binary": 32.0, "sq8": 4.0}[settings.quantization]
