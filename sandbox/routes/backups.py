"""`/backups`: the server's own backups with all their traps."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import simdjson
from fastapi import APIRouter, Request, Response

from sandbox import clock, payloads
from sandbox.collection import Collection, Record
from sandbox.database import Database
from sandbox.disk import replacing
from sandbox.failures import (
    CollectionNotFoundError,
    ConnectionDropped,
    InvalidFieldError,
    PlainError,
    UnprocessableError,
)
from sandbox.patience import PatientRoute, patiently
from sandbox.payloads import Json
from sandbox.rendering import RawJson, encode, joined, parts, raw, widened
from sandbox.settings import Settings
from sandbox.wire import answer, database, json_body, optional, required_text

router = APIRouter(route_class=PatientRoute)

# The server takes the size of a pointer triple for the size of the data: 24 for every collection it found.
BYTES_OF_A_VECTOR_HANDLE = 24


@router.get("/backups")
async def list_backups(request: Request) -> Response:
    """Answer whole files, newest first; one that does not parse is left out without a word."""
    files = sorted(_readable_files(_folder(request)), reverse=True)
    return answer({"backups": joined(text for _, text in files)})


@router.get("/backups/directory")
async def backup_directory() -> Response:
    """Answer the path the server always answers."""
    return answer({"path": "./backups"})


@router.post("/backups/create")
async def create_backup(request: Request) -> Response:
    """Back up the collections named, and none when none is named: 200 either way."""
    body = await json_body(request)
    name = required_text(body, "name")
    names = optional(body, "collections")
    names = [each for each in names if isinstance(each, str)] if isinstance(names, list) else []
    data = _data(database(request), names)
    about: dict[str, Json] = {"id": str(uuid4()), "name": name, "date": clock.now()}
    about |= {"collections": names, "size": BYTES_OF_A_VECTOR_HANDLE * len(data)}
    with replacing(_folder(request) / f"{about['id']}.backup") as file:
        file.writelines(parts({**about, "data": data}))
    return answer(about)


@router.post("/backups/restore")
async def restore_backup(request: Request) -> Response:
    """Upsert everything of a backup; `collections` is ignored, nothing is deleted."""
    backup_id = optional(await json_body(request), "backup_id")
    if not isinstance(backup_id, str):
        raise InvalidFieldError("backup_id")
    path = _folder(request) / f"{Path(backup_id).name}.backup"
    if not path.exists():
        raise PlainError(404, "backup_not_found", f"backup '{backup_id}' not found")
    state = database(request)
    for name, saved in json.loads(path.read_text(encoding="utf-8"))["data"].items():
        await patiently(state, partial(_merge, state, name, saved))
    state.flush()
    return answer({"success": True, "message": "Backup restored successfully"})


@router.get("/hub/backups")
async def list_hub_backups() -> Response:
    """Refuse: there is no hub."""
    raise PlainError(503, "BACKUP_DISABLED", "HiveHub backup functionality is not enabled")


@router.post("/hub/backups")
async def create_hub_backup(request: Request) -> Response:
    """Refuse: there is no hub."""
    body = await json_body(request)
    for field in ("user_id", "name"):
        if optional(body, field) is None:
            column = len(await request.body())
            raise UnprocessableError(f"missing field `{field}` at line 1 column {column}")
    raise PlainError(503, "BACKUP_DISABLED", "HiveHub backup functionality is not enabled")


def _folder(request: Request) -> Path:
    return database(request).disk.root / "backups"


def _readable_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.glob("*.backup"):
        data = path.read_bytes()
        try:
            about = simdjson.Parser().parse(data)
        except ValueError:
            continue
        if isinstance(about, simdjson.Object):
            yield str(about.get("date", "")), data


def _data(state: Database, names: list[str]) -> dict[str, Json]:
    data: dict[str, Json] = {}
    for name in names:
        try:
            collection = state.get(name)
        except CollectionNotFoundError:
            continue
        data[name] = {
            "vectors": joined(_vectors(collection)),
            "dimension": collection.settings.dimension,
            "metric": collection.settings.metric,
        }
    return data


def _vectors(collection: Collection) -> Iterator[bytes]:
    page = collection.everything()
    for vector_id, vector, payload in zip(page.ids, widened(page.vectors), page.payloads, strict=True):
        metadata = raw(_flattened(payload))
        yield encode({"id": vector_id, "vector": RawJson(vector), "metadata": metadata})


def _flattened(payload: str | None) -> str:
    """Write a payload as a map inside a map: null becomes an empty one, anything else cannot be."""
    if payload is None:
        return "null"
    if payload == "null":
        return "{}"
    if not payload.startswith("{"):
        raise ConnectionDropped("can only flatten structs and maps")
    return payload


def _merge(state: Database, name: str, saved: dict[str, Json]) -> None:
    """Insert into the collection there is, or into a new one, which is Cosine whatever was saved."""
    try:
        collection = state.get(name)
    except CollectionNotFoundError:
        collection = state.create(name, Settings(int(saved["dimension"])))
    collection.insert([_record(vector) for vector in saved["vectors"]])


def _record(vector: dict[str, Json]) -> Record:
    components = [each for each in vector["vector"] if isinstance(each, int | float)]
    return Record(vector["id"], components, payloads.to_text(vector.get("metadata")))
