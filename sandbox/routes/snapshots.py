"""Native snapshots of one collection, and the Qdrant ones that are of the whole server."""

import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from sandbox import clock
from sandbox.disk import ARCHIVE, Saved, read_saved, replacing, write_saved
from sandbox.failures import NotFoundError, PlainError
from sandbox.patience import PatientRoute
from sandbox.payloads import Json
from sandbox.wire import answer, database, segment

router = APIRouter(route_class=PatientRoute)

NATIVE_ID = "%Y%m%dT%H%M%SZ"
QDRANT_NAME = "%Y%m%d_%H%M%S"


@router.post("/collections/{name}/snapshot")
async def create_snapshot(request: Request) -> Response:
    """Save one collection beside the archive; two in one second are one."""
    collection = database(request).get(segment(request, "name"))
    moment = datetime.now(UTC)
    path = _native_folder(request, collection.name) / f"{moment.strftime(NATIVE_ID)}.snapshot"
    saved = Saved(collection.name, collection.settings, collection.everything())
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        write_saved(archive, "0", saved)
    return answer({
        "id": path.stem,
        "collection": segment(request, "name"),
        "created_at": clock.now(),
        "size_bytes": path.stat().st_size,
        "status": "ok",
    })


@router.get("/collections/{name}/snapshots")
async def list_snapshots(request: Request) -> Response:
    """List snapshots, newest first; an unknown collection has none."""
    name = segment(request, "name")
    paths = sorted(_native_folder(request, name).glob("*.snapshot"), reverse=True)
    listed = [_snapshot_view(name, path) for path in paths]
    return answer({"collection": name, "snapshots": listed, "total": len(listed)})


@router.post("/collections/{name}/snapshots/{snapshot_id}/restore")
async def restore_snapshot(request: Request) -> Response:
    """Replace the collection by its snapshot, normalised as everything that is loaded."""
    name, snapshot_id = segment(request, "name"), segment(request, "snapshot_id")
    path = _native_folder(request, name) / f"{Path(snapshot_id).name}.snapshot"
    if not path.exists():
        raise NotFoundError(f"native snapshot '{snapshot_id}' not found for collection '{name}'")
    with zipfile.ZipFile(path) as archive:
        saved = read_saved(archive, "0")
    database(request).replace(name, saved)
    return answer({"collection": name, "snapshot_id": snapshot_id, "status": "restored"})


@router.post("/qdrant/snapshots")
@router.post("/qdrant/collections/{name}/snapshots")
async def create_server_snapshot(request: Request) -> Response:
    """Copy the archive as the last flush left it: all collections, whatever the path names."""
    disk = database(request).disk
    if not disk.archive_bytes():
        raise PlainError(500, "internal_error", "Failed to create snapshot: no data file")
    path = _server_folder(request) / f"{datetime.now(UTC).strftime(QDRANT_NAME)}.vecdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(disk.root / ARCHIVE, path)
    return answer({"result": _server_snapshot_view(path), "status": "ok", "time": 0.0})


@router.get("/qdrant/snapshots")
@router.get("/qdrant/collections/{name}/snapshots")
async def list_server_snapshots(request: Request) -> Response:
    """List the snapshots of the whole server."""
    paths = sorted(_server_folder(request).glob("*.vecdb"), reverse=True)
    return answer({"result": [_server_snapshot_view(path) for path in paths], "status": "ok", "time": 0.0})


def _native_folder(request: Request, name: str) -> Path:
    state = database(request)
    folder = quote(state.canonical(name), safe="").replace(".", "%2E")
    return state.disk.root / "collection_snapshots" / folder


def _server_folder(request: Request) -> Path:
    return database(request).disk.root / "snapshots"


def _snapshot_view(name: str, path: Path) -> dict[str, Json]:
    created = datetime.strptime(path.stem, NATIVE_ID).replace(tzinfo=UTC)
    return {
        "id": path.stem,
        "collection": name,
        "created_at": created.isoformat(),
        "size_bytes": path.stat().st_size,
    }


def _server_snapshot_view(path: Path) -> dict[str, Json]:
    created = datetime.strptime(path.stem, QDRANT_NAME).replace(tzinfo=UTC)
    return {"name": path.stem, "creation_time": created.isoformat(), "size": path.stat().st_size}
