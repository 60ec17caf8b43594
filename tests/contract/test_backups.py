import pytest
import requests

from tests.contract.client import Api


def create(api: Api, **body: object) -> dict:
    response = api.post("/backups/create", {"name": "nightly", **body})
    assert response.status_code == 200
    return response.json()


def stored(api: Api, backup_id: str) -> dict:
    return next(each for each in api.get("/backups").json()["backups"] if each["id"] == backup_id)


@pytest.fixture
def filled(api: Api, name: str) -> str:
    api.create(name, 4, "Dot")
    api.upsert(name, {"a": [1, 2, 3, 4], "b": [4, 3, 2, 1]}, {"k": 1})
    return name


@pytest.mark.parametrize("body", [{}, {"collections": []}, {"collections": "all"}])
def test_a_backup_of_no_collections_is_empty_and_200(api: Api, filled: str, body: dict) -> None:
    about = create(api, **body)
    assert (about["size"], about["collections"]) == (0, [])
    assert stored(api, about["id"])["data"] == {}


def test_a_missing_collection_is_named_and_not_in_the_data(api: Api, filled: str) -> None:
    about = create(api, collections=[filled, "missing-one"])
    assert (about["size"], about["collections"]) == (24, [filled, "missing-one"])
    assert list(stored(api, about["id"])["data"]) == [filled]


def test_the_list_gives_whole_files_newest_first(api: Api, filled: str) -> None:
    first, second = create(api, collections=[filled]), create(api, collections=[filled])
    backups = api.get("/backups").json()["backups"]
    assert [each["id"] for each in backups][:2] == [second["id"], first["id"]]
    data = backups[0]["data"][filled]
    assert (data["dimension"], data["metric"]) == (4, "DotProduct")
    assert [each["id"] for each in data["vectors"]] == ["a", "b"]
    assert data["vectors"][0]["metadata"] == {"k": 1}


def test_a_restore_merges_and_ignores_the_collections_it_is_given(api: Api, filled: str) -> None:
    about = create(api, collections=[filled])
    api.upsert(filled, {"later": [1, 1, 1, 1]})
    api.upsert(filled, {"a": [9, 9, 9, 8]})
    response = api.post("/backups/restore", {"backup_id": about["id"], "collections": ["nothing"]})
    assert response.json() == {"success": True, "message": "Backup restored successfully"}
    assert sorted(api.ids(filled)) == ["a", "b", "later"]
    values = {each["id"]: each["data"] for each in api.page(filled)["items"]}
    assert values["a"][0] == 1


def test_a_restore_into_a_missing_collection_makes_it_cosine(api: Api, name: str, filled: str) -> None:
    # Never flushed under this name, so the server cannot bring the deleted one back from its disk.
    about = create(api, collections=[filled])
    api.delete(f"/collections/{filled}")
    api.post("/backups/restore", {"backup_id": about["id"]})
    details = api.details(filled)
    assert (details["metric"], details["vector_count"]) == ("Cosine", 2)
    assert details["quantization"]["type"] == "SQ { bits: 8 }"


def test_a_restore_wants_the_id_and_not_the_name(api: Api, filled: str) -> None:
    create(api, collections=[filled])
    response = api.post("/backups/restore", {"backup_id": "nightly"})
    assert (response.status_code, response.json()["error_type"]) == (404, "backup_not_found")
    assert api.post("/backups/restore", {}).status_code == 400


def test_a_null_payload_becomes_an_empty_one(api: Api, filled: str) -> None:
    vector = {"id": "c", "embedding": [1, 2, 3, 4], "payload": None}
    api.post("/insert_vectors", {"collection": filled, "vectors": [vector]})
    about = create(api, collections=[filled])
    assert stored(api, about["id"])["data"][filled]["vectors"][2]["metadata"] == {}


@pytest.mark.parametrize("payload", ["text", [1], 7, True])
def test_a_payload_that_is_no_object_drops_the_connection(api: Api, filled: str, payload: object) -> None:
    api.upsert(filled, {"c": [1, 2, 3, 4]}, payload)
    with pytest.raises(requests.ConnectionError):
        api.post("/backups/create", {"name": "x", "collections": [filled]})
    assert api.get("/health").status_code == 200


def test_there_is_no_download_and_no_delete(api: Api, filled: str) -> None:
    backup_id = create(api, collections=[filled])["id"]
    assert api.get(f"/backups/{backup_id}").status_code == 404
    assert api.get(f"/backups/{backup_id}/download").status_code == 404
    assert api.delete(f"/backups/{backup_id}").status_code == 404


def test_the_directory_is_always_the_same_relative_path(api: Api) -> None:
    assert api.get("/backups/directory").json() == {"path": "./backups"}


def test_a_snapshot_replaces_the_collection(api: Api, filled: str) -> None:
    made = api.post(f"/collections/{filled}/snapshot").json()
    assert made["status"] == "ok"
    api.upsert(filled, {"later": [1, 1, 1, 1]})
    listed = api.get(f"/collections/{filled}/snapshots").json()
    assert (listed["total"], listed["snapshots"][0]["id"]) == (1, made["id"])
    answer = api.post(f"/collections/{filled}/snapshots/{made['id']}/restore").json()
    assert answer == {"collection": filled, "snapshot_id": made["id"], "status": "restored"}
    assert api.ids(filled) == ["a", "b"]
    assert api.details(filled)["metric"] == "DotProduct"


def test_a_snapshot_normalises_vectors_and_text(api: Api, filled: str) -> None:
    api.upsert(filled, {"text": [1, 2, 3, 4]}, {"t": " edge  \r\nline "})
    made = api.post(f"/collections/{filled}/snapshot").json()
    api.post(f"/collections/{filled}/snapshots/{made['id']}/restore")
    items = {each["id"]: each for each in api.page(filled)["items"]}
    assert sum(value * value for value in items["a"]["data"]) == pytest.approx(1, abs=0.02)
    assert items["text"]["payload"] == {"t": "edge\nline"}


def test_snapshots_of_one_second_are_one(api: Api, filled: str) -> None:
    made = [api.post(f"/collections/{filled}/snapshot").json()["id"] for _ in range(4)]
    listed = [each["id"] for each in api.get(f"/collections/{filled}/snapshots").json()["snapshots"]]
    assert listed == sorted(set(made), reverse=True)
    assert len(listed) < 4


def test_an_unknown_snapshot_is_not_found_and_an_unknown_collection_has_none(api: Api, filled: str) -> None:
    response = api.post(f"/collections/{filled}/snapshots/20200101T000000Z/restore")
    assert (response.status_code, response.json()["error_type"]) == (404, "not_found")
    assert api.get(f"/collections/{filled}-missing/snapshots").json()["snapshots"] == []


def test_a_snapshot_of_a_ghost_is_empty_and_destroys_what_it_is_restored_to(api: Api, filled: str) -> None:
    api.save(filled)
    api.delete(f"/collections/{filled}")
    made = api.post(f"/collections/{filled}/snapshot").json()
    api.upsert(filled, {"new": [1, 2, 3, 4]})
    api.post(f"/collections/{filled}/snapshots/{made['id']}/restore")
    assert (api.count(filled), api.ids(filled)) == (0, [])
