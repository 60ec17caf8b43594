"""Parse manifests, sidecars and configurations that may come from anywhere."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from backup_engine.archive.limits import MANIFEST_BYTES, check_json, check_manifest
from backup_engine.archive.manifest import FORMAT_NAME, FORMAT_VERSION, Folder, Manifest, Sidecar, sidecar_key
from backup_engine.errors import DamagedArchive, UnknownFormat
from backup_engine.storage.contract import Store, read_bytes

SIDECAR_BYTES = 2 * MANIFEST_BYTES

_Parsed = TypeVar("_Parsed", bound=BaseModel)


class _Format(BaseModel):
    """The two fields that every version of the format keeps."""

    model_config = ConfigDict(extra="ignore")

    format: str
    version: int


class _SidecarFormat(BaseModel):
    model_config = ConfigDict(extra="ignore")

    manifest: _Format


def load_sidecar(store: Store, folder: Folder, name: str) -> Sidecar:
    """Read the manifest beside an archive.

    :raises ObjectNotFound: there is none, and therefore no backup
    :raises DamagedArchive: it cannot be read, or is another backup's
    :raises HostileArchive: it is larger, deeper or wider than any this product writes
    :raises UnknownFormat: another product, or a newer one, wrote it
    """
    key = sidecar_key(folder, name)
    return sidecar_of(read_bytes(store, key, limit=SIDECAR_BYTES), f"{store.url}/{key}", folder, name)


def sidecar_of(raw: bytes, where: str, folder: Folder, name: str) -> Sidecar:
    """Read what lies beside an archive, as ``load_sidecar`` does.

    :param where: what to call it in messages
    """
    found = parse_sidecar(raw, where)
    clear = found.manifest.clear
    if (clear.folder, clear.name) != (folder, name):
        raise DamagedArchive(f"{where} is the manifest of another backup: {clear.folder.value}/{clear.name[:200]}")
    return found


def parse_sidecar(raw: bytes, where: str) -> Sidecar:
    """Read a sidecar; its claims about the archive are checked when the archive is opened.

    :param where: what to call it in messages
    """
    check_json(raw, where, most=SIDECAR_BYTES)
    _check_format(_parse(_SidecarFormat, raw, where).manifest, where)
    found = _parse(Sidecar, raw, where)
    check_manifest(found.manifest, where)
    return found


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """Read manifest.json.

    :param where: what to call it in messages
    """
    check_json(raw, where, most=MANIFEST_BYTES)
    _check_format(_parse(_Format, raw, where), where)
    found = _parse(Manifest, raw, where)
    check_manifest(found, where)
    return found


def parse_configuration(raw: bytes, where: str) -> dict[str, object]:
    """Read config.json as the object it is.

    :param where: what to call it in messages
    """
    check_json(raw, where, most=MANIFEST_BYTES)
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise DamagedArchive(f"{where} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise DamagedArchive(f"{where}: an object was expected")
    return value


def _check_format(found: _Format, where: str) -> None:
    if found.format != FORMAT_NAME:
        raise UnknownFormat(f"{where} is in format {found.format[:100]!r}; {FORMAT_NAME!r} was expected")
    if found.version != FORMAT_VERSION:
        raise UnknownFormat(
            f"{where} is in version {found.version} of the format; this product reads version {FORMAT_VERSION}: "
            "use the release that wrote it, or a later one"
        )


def _parse(kind: type[_Parsed], raw: bytes, where: str) -> _Parsed:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"])[:200] or "the document"
        raise DamagedArchive(f"{where} is not what was expected: {place}: {first['msg'][:200]}") from error
