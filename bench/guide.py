"""The guide's way: the server's own backup, fetched, packed, summed."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import requests

from backup_engine.vectorizer.credentials import Credentials, from_environment

_TIMEOUT = (10, 1800)
_CHUNK = 1 << 20
_NAME, _BETWEEN, _HEAD = b',"name":"', b'},{"id":"', 100
"""How a backup in a listing begins, with its id and its name in so many bytes; the bench's records have no name."""


def back_up_as_the_guide_says(url: str, collection: str, folder: Path) -> int:
    """Back one collection up and tell the size of what is kept."""
    file, packed = folder / "backup.json", folder / "backup.tar.gz"
    fetch_backup(url, collection, file)
    for command in (["tar", "-czf", str(packed), "-C", str(folder), file.name], ["sha256sum", str(packed)]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return packed.stat().st_size


def fetch_backup(url: str, collection: str, file: Path) -> None:
    """Have the server back the collection up, and download that."""
    file.parent.mkdir(parents=True, exist_ok=True)
    headers = authorization(url, from_environment(os.environ))
    body = {"name": "bench", "collections": [collection]}
    requests.post(f"{url}/backups/create", json=body, headers=headers, timeout=_TIMEOUT).raise_for_status()
    with requests.get(f"{url}/backups", headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        answer.raise_for_status()
        with file.open("wb") as output:
            output.writelines(newest_only(answer.iter_content(_CHUNK)))


def newest_only(listed: Iterable[bytes]) -> Iterator[bytes]:
    """Cut the first backup, the newest, out of a listing of whole backups; the rest of it is not fetched."""
    kept = b""
    for chunk in listed:
        past = 0 if kept else chunk.find(_NAME) + 1
        kept += chunk
        second = kept.find(_NAME, past)
        if second >= 0:
            yield kept[: kept.rindex(_BETWEEN, 0, second) + 1] + b"]}"
            return
        yield kept[:-_HEAD]
        kept = kept[-_HEAD:]
    yield kept


def authorization(url: str, credentials: Credentials) -> dict[str, str]:
    """Log in if that is how it is done, and give the headers that say who we are."""
    if credentials.api_key is not None:
        return {"X-API-Key": credentials.api_key}
    if credentials.username is None:
        return {}
    form = {"username": credentials.username, "password": credentials.password}
    answer = requests.post(f"{url}/auth/login", json=form, timeout=_TIMEOUT)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
