"""The roles on the page about Google Cloud Storage: each is enough for its work, and has nothing it does not need."""

import json
import re
from pathlib import Path

import pytest
import yaml

from backup_engine.errors import StoreDenied
from tests.storage.gcs_places import BUCKET, new_prefix
from tests.storage.gcs_wire import MIB, content, keys, new_store

PAGE = (Path(__file__).parents[2] / "docs" / "google-cloud-storage.md").read_text(encoding="utf-8")
ROOT = "production"
ACTORS = ["writer", "restorer", "pruner"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def roles():
    """Give the permissions of each custom role on the page."""
    found = [yaml.safe_load(block) for block in blocks("yaml")]
    return {role["title"]: role["includedPermissions"] for role in found if "includedPermissions" in role}


def granted(actor):
    """Give what the page binds to somebody: pairs of a permission and the prefix of keys it is for."""
    pairs = []
    for policy in map(json.loads, blocks("json")):
        for binding in policy["bindings"]:
            if binding["members"] == [f"serviceAccount:backup-{actor}@PROJECT.iam.gserviceaccount.com"]:
                expression = binding.get("condition", {}).get("expression", "")
                folders = re.findall(rf"objects/{ROOT}/(\S*?)\"", expression) or [""]
                permissions = roles()[binding["role"].rpartition("/")[2]]
                pairs += [(permission, folder) for permission in permissions for folder in folders]
    return pairs


def write(store):
    """What backing up, copying and verifying ask of a store."""
    for key in ["names/daily-1", "names/runs/1.json", "leases/backup.json"]:
        seen = store.create(key, [b"{}"])
    store.replace("leases/backup.json", b"{ }", version=seen.version)
    store.replace("names/runs/1.json", b"{ }", version=store.stat("names/runs/1.json").version)
    fragments = [f".staging/1/{number}" for number in range(34)]
    for key in fragments:
        store.create(key, [b"x"])
    store.create(".staging/1/large", (bytes(MIB) for _ in range(9)))
    store.join("daily/1.tar.gz", [*fragments, ".staging/1/large"], b"tail")
    store.create("daily/1.json", [b"{}"])
    assert len(content(store, "daily/1.tar.gz")) == 9 * MIB + 38
    store.delete(info.key for info in store.list(".staging/"))
    assert keys(store) == ["daily/1.json", "daily/1.tar.gz", "leases/backup.json", "names/daily-1", "names/runs/1.json"]


def restore(store):
    """What a restore asks of a store."""
    assert content(store, "daily/0.tar.gz") == b"x"
    assert "daily/0.tar.gz" in keys(store)
    for key in ["leases/restore.json", ".staging/restore-1/journal.json"]:
        seen = store.create(key, [b"{}"])
        store.replace(key, b"{ }", version=seen.version)


def prune(store):
    """What letting go of old backups asks of a store."""
    seen = store.create("leases/pruning.json", [b"{}"])
    store.replace("leases/pruning.json", b"{ }", version=seen.version)
    for key in ["daily/0.records/withdrawal-1.json", "prunings/1.json", ".staging/clock-1"]:
        store.create(key, [b"{}"])
    for key in [info.key for info in store.list("daily/")]:
        content(store, key)
        store.delete([key])


WORK = {"writer": write, "restorer": restore, "pruner": prune}


def work_with(google, actor, grants):
    root = new_prefix()
    new_store(root).create("daily/0.tar.gz", [b"x"])
    if actor == "writer":
        new_store(root).delete(["daily/0.tar.gz"])
    google.grant(actor, [(permission, f"{root}/{folder}" if folder else "") for permission, folder in grants])
    WORK[actor](new_store(root, token=actor))


def test_the_page_names_the_bucket_and_folder_that_are_tested():
    assert set(roles()) == {"backupReader", "backupAdder", "backupClearer"}
    assert f"projects/_/buckets/vectorizer-{BUCKET}/objects/{ROOT}/.staging/" in PAGE


@pytest.mark.parametrize("actor", ACTORS)
def test_what_the_page_grants_is_enough(google, actor):
    work_with(google, actor, granted(actor))


@pytest.mark.parametrize(("actor", "left_out"), [(actor, pair) for actor in ACTORS for pair in granted(actor)], ids=str)
def test_nothing_that_the_page_grants_could_be_left_out(google, actor, left_out):
    with pytest.raises(StoreDenied, match=re.escape(left_out[0])):
        work_with(google, actor, [pair for pair in granted(actor) if pair != left_out])


def test_a_writer_can_neither_delete_nor_overwrite_a_backup(google):
    root = new_prefix()
    seen = new_store(root).create("daily/0.tar.gz", [b"x"])
    google.grant("writer", [(what, f"{root}/{folder}" if folder else "") for what, folder in granted("writer")])
    store = new_store(root, token="writer")
    with pytest.raises(StoreDenied):
        store.delete(["daily/0.tar.gz"])
    with pytest.raises(StoreDenied):
        store.replace("daily/0.tar.gz", b"y", version=seen.version)
    assert content(store, "daily/0.tar.gz") == b"x"
