"""A bucket as somebody without this product sees it: the cloud's own client, JSON, tar and SHA-256."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from hashlib import sha256

from google.cloud.storage import Client

FOLDERS = ("daily/", "weekly/", "monthly/", "incremental/")


def listed(client, bucket: str, prefix: str) -> list[str]:
    if isinstance(client, Client):
        return [blob.name for blob in client.list_blobs(bucket, prefix=prefix)]
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def fetched(client, bucket: str, key: str) -> bytes:
    if isinstance(client, Client):
        return client.bucket(bucket).blob(key).download_as_bytes()
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


def uploads(client, bucket: str, prefix: str) -> list[str]:
    """Parts that nobody sees and somebody pays for; Google Cloud Storage lists none and asks for nothing."""
    if isinstance(client, Client):
        return []
    found = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    return [one["Key"] for one in found if one["Key"].startswith(prefix)]


def manifests(client, bucket: str, prefix: str) -> list[str]:
    """Whatever would be listed as a backup."""
    return [key for key in listed(client, bucket, prefix) if key.endswith(".json") and is_backups(key)]


def is_backups(key: str) -> bool:
    return any(f"/{folder}" in key and "/" not in key.split(f"/{folder}")[1] for folder in FOLDERS)


def complaints(client, bucket: str, prefix: str, *, at_rest: bool) -> list[str]:
    """Name everything that is wrong below a prefix.

    :param at_rest: nobody is at work any more, and the last run ended well: nothing is left over either
    """
    keys = listed(client, bucket, prefix)
    found = [wrong for key in manifests(client, bucket, prefix) for wrong in _half_made(client, bucket, key, keys)]
    if at_rest:
        archives = [key for key in keys if key.endswith(".tar.gz")]
        found += [f"{key} has no manifest" for key in archives if key.replace(".tar.gz", ".json") not in keys]
        found += [f"{key} was left in staging" for key in keys if "/.staging/" in key and "/restore-" not in key]
        found += [f"{key}: an upload was left open" for key in uploads(client, bucket, prefix)]
    return found


def _half_made(client, bucket: str, manifest: str, keys: list[str]) -> Iterator[str]:
    archive = manifest.removesuffix(".json") + ".tar.gz"
    try:
        facts = json.loads(fetched(client, bucket, manifest))["archive"]
    except ValueError:
        yield f"{manifest} is no JSON"
        return
    if archive not in keys:
        yield f"{manifest} has no archive"
        return
    data = fetched(client, bucket, archive)
    if len(data) != facts["bytes"]:
        yield f"{archive} has {len(data)} bytes, its manifest says {facts['bytes']}"
        return
    names, at = [], 0
    for entry in facts["entries"]:
        if sha256(data[at : at + entry["bytes"]]).hexdigest() != entry["sha256"]:
            yield f"{archive}: {entry['name']} is not what its manifest says"
        names.append(entry["name"])
        at += entry["bytes"]
    yield from _unreadable(archive, data, names)


def _unreadable(archive: str, data: bytes, names: list[str]) -> Iterator[str]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            if tar.getnames() != names:
                yield f"{archive} lists other names than its manifest"
    except (tarfile.TarError, OSError, EOFError) as error:
        yield f"{archive} cannot be listed: {error}"
