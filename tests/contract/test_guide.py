"""The dialect of the backup guide, which no server speaks. Needs no other server."""

import io
import json
import tarfile
from collections.abc import Iterator

import pytest

from sandbox.process import SandboxProcess
from tests.contract.client import Api


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with SandboxProcess(tmp_path_factory.mktemp("guide"), dialect="guide") as sandbox:
        yield Api(sandbox.url)


@pytest.fixture
def filled(guide: Api, name: str) -> str:
    made = guide.post("/api/collections", {"name": name, "dimension": 3, "metric": "euclidean"})
    assert made.status_code == 200, made.text
    insert(guide, name, {"a": {"k": 1}, "b": "text"})
    return name


def insert(guide: Api, name: str, payloads: dict) -> None:
    vectors = [{"id": key, "embedding": [1, 2, 3], "payload": payload} for key, payload in payloads.items()]
    assert guide.post("/api/insert_vectors", {"collection": name, "vectors": vectors}).json()["failed"] == 0


def create(guide: Api, label: str, collections: list[str]) -> dict:
    response = guide.post("/api/backups/create", {"name": label, "collections": collections})
    assert response.status_code == 200, response.text
    return response.json()


def content(guide: Api, backup: str) -> dict:
    response = guide.get(f"/api/backups/{backup}/download")
    with tarfile.open(fileobj=io.BytesIO(response.content), mode="r:gz") as archive:
        (member,) = archive.getmembers()
        file = archive.extractfile(member)
        assert file is not None
        return {"member": member.name, **json.load(file)}


def test_everything_is_under_api_and_nothing_reads_records(guide: Api, filled: str) -> None:
    assert guide.get("/api/status").json()["version"] == "1.8.5"
    assert filled in [each["name"] for each in guide.get("/api/collections").json()["collections"]]
    for path in ("/status", "/backups", f"/collections/{filled}/vectors", f"/qdrant/collections/{filled}"):
        assert guide.get(path).status_code == 404, path
    assert guide.post("/graphql", {"query": "{collections{name}}"}).status_code == 404


def test_a_download_is_an_archive_of_one_file(guide: Api, filled: str) -> None:
    made = create(guide, f"label of {filled}", [filled])
    for known_as in (made["id"], f"label%20of%20{filled}"):
        found = content(guide, known_as)
        assert (found["member"], found["id"], found["collections"]) == (f"{made['id']}.backup", made["id"], [filled])
        saved = found["data"][filled]
        assert saved["config"] == {"dimension": 3, "metric": "euclidean"}
        assert saved["vectors"] == [
            {"id": "a", "vector": [1, 2, 3], "metadata": {"k": 1}},
            {"id": "b", "vector": [1, 2, 3], "metadata": "text"},
        ]


def test_the_list_holds_no_data(guide: Api, filled: str) -> None:
    made = create(guide, "listed", [filled])
    assert guide.get("/api/backups").json()["backups"][0] == made
    assert sorted(made) == ["collections", "date", "id", "name", "size"]


def test_no_names_are_all_names(guide: Api, filled: str) -> None:
    assert filled in create(guide, "all", [])["collections"]


def test_a_restore_overwrites_the_collections_that_are_named(guide: Api, filled: str, name: str) -> None:
    other = f"{name}-other"
    guide.post("/api/collections", {"name": other, "dimension": 3})
    made = create(guide, f"both of {name}", [filled, other])
    for each in (filled, other):
        insert(guide, each, {"later": None})
    body = {"backup_id": f"both of {name}", "collections": [filled]}
    answer = guide.post("/api/backups/restore", body).json()
    assert answer == {"success": True, "message": "Backup restored successfully"}
    counts = [guide.get(f"/api/collections/{each}").json()["vector_count"] for each in (filled, other)]
    assert counts == [2, 1]
    again = content(guide, create(guide, "again", [filled])["id"])
    assert again["data"][filled] == content(guide, made["id"])["data"][filled]


def test_an_unknown_backup_is_not_found(guide: Api) -> None:
    for response in (guide.get("/api/backups/none/download"), guide.post("/api/backups/restore", {"backup_id": "x"})):
        assert (response.status_code, response.json()["error_type"]) == (404, "backup_not_found")
