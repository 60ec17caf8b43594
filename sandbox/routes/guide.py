"""The server that the backup guide describes, and nobody has: everything under `/api`, backups that can be fetched.

Sources: the server's `docs/runbooks/BACKUP_RECOVERY.md` and `docs/users/api/BACKUP_RESTORE.md`.
"""

import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse

from sandbox import clock, payloads
from sandbox.collection import Collection, Record
from sandbox.database import Database
from sandbox.disk import replacing
from sandbox.failures import CollectionNotFoundError, InvalidFieldError, PlainError
from sandbox.patience import PatientRoute, patiently
from sandbox.payloads import Json
from sandbox.rendering import scalar, widened
from sandbox.routes import collections, status, vectors
from sandbox.settings import NATIVE_METRICS, Settings
from sandbox.wire import answer, database, json_body, optional, required_text, segment

ABOUT = ("id", "name", "date", "size", "collections")

backups = APIRouter(prefix="/api/backups", route_class=PatientRoute)


def routers() -> Iterator[APIRouter]:
    """Give the routes: collections under `/api` and without it, no way to read a record but a download."""
    for prefix in ("/api", ""):
        router = APIRouter(prefix=prefix, route_class=PatientRoute)
        router.get("/health")(status.health)
        router.post("/insert_vectors")(vectors.insert_vectors)
        router.include_router(collections.router)
        yield router
    under = APIRouter(prefix="/api", route_class=PatientRoute)
    under.get("/status")(status.status)
    under.get("/stats")(status.stats)
    yield under
    yield backups


@backups.get("")
async def list_backups(request: Request) -> Response:
    """Answer what there is, newest first, without the data."""
    listed = sorted(map(_about, _folder(request).glob("*.about")), key=lambda about: str(about["date"]), reverse=True)
    return answer({"backups": listed})


@backups.get("/directory")
async def backup_directory() -> Response:
    """Answer the path the server always answers."""
    return answer({"path": "./backups"})


@backups.post("/create")
async def create_backup(request: Request) -> Response:
    """Back up the collections named, or all of them when none is named."""
    body = await json_body(request)
    about: dict[str, Json] = {"id": str(uuid4()), "name": required_text(body, "name"), "date": clock.now()}
    state = database(request)
    chosen = [state.get(name) for name in _chosen(body) or state.names()]
    about["collections"] = [collection.name for collection in chosen]
    path = _folder(request) / f"{about['id']}.backup"
    with replacing(path) as file:
        file.writelines(_pieces(about, chosen))
    about["size"] = path.stat().st_size
    with replacing(path.with_suffix(".about")) as file:
        file.write(json.dumps({name: about[name] for name in ABOUT}).encode())
    return answer({name: about[name] for name in ABOUT})


@backups.get("/{backup_id}/download")
async def download_backup(request: Request) -> Response:
    """Answer a compressed archive with the one file."""
    path = _path(request, segment(request, "backup_id"))
    packed = path.with_suffix(".tar.gz")
    if not packed.exists():
        with replacing(packed) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            archive.add(path, path.name)
    return FileResponse(packed, media_type="application/gzip", filename=packed.name)


@backups.post("/restore")
async def restore_backup(request: Request) -> Response:
    """Overwrite the collections named, or all of the backup when none is named."""
    body = await json_body(request)
    backup_id = optional(body, "backup_id")
    if not isinstance(backup_id, str):
        raise InvalidFieldError("backup_id")
    data = json.loads(_path(request, backup_id).read_text(encoding="utf-8"))["data"]
    chosen = _chosen(body) or list(data)
    for name in chosen:
        if name not in data:
            raise CollectionNotFoundError(name)
    for name in chosen:
        await patiently(database(request), partial(_overwrite, database(request), name, data[name]))
    return answer({"success": True, "message": "Backup restored successfully"})


def _chosen(body: Json) -> list[str]:
    names = optional(body, "collections")
    return [each for each in names if isinstance(each, str)] if isinstance(names, list) else []


def _folder(request: Request) -> Path:
    return database(request).disk.root / "backups"


def _about(path: Path) -> dict[str, Json]:
    about: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
    return about


def _path(request: Request, wanted: str) -> Path:
    """Find a backup by its id or its name."""
    for path in sorted(_folder(request).glob("*.about")):
        if wanted in {_about(path)["id"], _about(path)["name"]}:
            return path.with_suffix(".backup")
    raise PlainError(404, "backup_not_found", f"backup '{wanted}' not found")


def _pieces(about: dict[str, Json], chosen: list[Collection]) -> Iterator[bytes]:
    """Write the file of the guide, one record a line."""
    yield json.dumps(about, indent=2)[:-2].encode() + b',\n  "data": {'
    for number, collection in enumerate(chosen):
        metric = {ours: native for native, ours in NATIVE_METRICS.items()}[collection.settings.metric]
        config = json.dumps({"dimension": collection.settings.dimension, "metric": metric})
        yield (b"," if number else b"") + b"\n    " + scalar(collection.name)
        yield b': {\n      "config": %b,\n      "vectors": [' % config.encode()
        yield b",".join(_records(collection))
        yield b"\n      ]\n    }"
    yield b"\n  }\n}\n"


def _records(collection: Collection) -> Iterator[bytes]:
    page = collection.everything()
    for vector_id, vector, payload in zip(page.ids, widened(page.vectors), page.payloads, strict=True):
        about = (scalar(vector_id), vector, (payload or "null").encode())
        yield b'\n        {"id": %b, "vector": %b, "metadata": %b}' % about


def _overwrite(state: Database, name: str, saved: dict[str, Json]) -> None:
    config = saved["config"]
    settings = Settings(config["dimension"], NATIVE_METRICS[config["metric"]])
    try:
        settings = state.get(name).settings
        state.delete(name)
    except CollectionNotFoundError:
        pass
    records = [
        Record(each["id"], each["vector"], None if each["metadata"] is None else payloads.to_text(each["metadata"]))
        for each in saved["vectors"]
    ]
    state.create(name, settings).insert(records)
