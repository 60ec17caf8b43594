"""What is broken is found by trying, each trouble under its own heading, and nothing is raised or left behind."""

from __future__ import annotations

import json
import socket
import stat
import tempfile
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from backup_engine.archive.manifest import Standing
from backup_engine.errors import StoreFull, StoreUnavailable
from backup_engine.findings import Level
from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.credentials import Credentials
from sandbox.process import SandboxProcess
from sandbox.rules import Rule
from services.seaweedfs import SeaweedFS
from tests.airflow.places import fill
from tests.diagnosis.scene import deployment, diagnosed, hasty, initialised, wrong
from tests.engine.captures import capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.places import built
from tests.engine.restores import put, with_summary
from tests.engine.samples import some_records
from tests.storage.children import in_child, leave_root_behind


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A server with two collections, and faults on demand."""
    with SandboxProcess(tmp_path_factory.mktemp("server"), faults=True) as server:
        client = hasty(server.url)
        fill(client, "docs", 300)
        fill(client, "images", 20)
        client.flush()
        yield server


@pytest.fixture
def found(tmp_path, sandbox):
    """A deployment of that server, with a store and a backup in it."""
    sandbox.clear()
    given = deployment(tmp_path / "backups", sandbox.url)
    capture(hasty(sandbox.url), initialised(given), system_clock)
    return given


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def only(probes):
    assert len(probes) == 1, probes
    return probes[0]


def test_where_all_is_well_each_heading_says_so(found):
    every = diagnosed(found)
    assert wrong(every) == {}
    assert {what: len(some) for what, some in every.items()} == {
        "disk": 2,
        "rights": 2,
        "network": 1,
        "server": 1,
        "low-traffic window": 1,
    }
    assert "the next backup needs about" in every["disk"][0].found
    assert socket.gethostname() in every["disk"][1].found
    assert "lists 2 collections with 320 vectors; it answered in" in only(every["server"]).found
    traffic = only(every["low-traffic window"])
    assert "none of 2 collections moved" in traffic.found
    assert "right now nothing is written to" in traffic.found


def test_nothing_stays_in_the_store(found):
    before = [info.key for info in open_store(found.root).list("")]
    diagnosed(found)
    assert [info.key for info in open_store(found.root).list("")] == before


# ------------------------------------------------------------------ network and server


def test_a_server_that_is_down_is_told_by_network_and_server_and_by_nothing_else(found):
    down = found.model_copy(
        update={"server": found.server.model_copy(update={"url": f"http://127.0.0.1:{closed_port()}"})}
    )
    every = diagnosed(down)
    assert set(wrong(every)) == {"network", "server"}
    assert "refuses connections" in only(wrong(every)["network"])
    assert "Connection refused" in only(wrong(every)["server"])
    assert "a server that loads is silent" in only(every["server"]).remedy


def test_a_server_whose_name_is_unknown(found):
    lost = found.model_copy(update={"server": found.server.model_copy(update={"url": "http://nobody.invalid:15002"})})
    assert set(wrong(diagnosed(lost))) == {"network", "server"}


def test_a_server_that_connects_and_says_nothing_is_reachable_and_silent(found, sandbox):
    sandbox.place(Rule(what="slow", seconds=30))
    every = diagnosed(found)
    sandbox.clear()
    assert set(wrong(every)) == {"server"}
    assert "no answer in time" in only(wrong(every)["server"])


def test_what_takes_longer_than_all_may_take_is_left_behind_and_said_to_hang(found, sandbox):
    sandbox.place(Rule(what="slow", seconds=30))
    every = diagnosed(found, open_server=lambda: hasty(found.server.url, read_timeout=20.0, deadline=20.0), seconds=1.0)
    sandbox.clear()
    assert "gave no answer within 1.0 s" in only(wrong(every)["server"])
    assert only(every["rights"]).level is Level.OK


def test_a_server_that_is_busy_is_not_one_that_is_down(found, sandbox):
    sandbox.place(Rule(what="429", retry_after=7))
    every = diagnosed(found)
    sandbox.clear()
    assert wrong(every) == {}
    assert (only(every["server"]).level, "busy" in only(every["server"]).found) == (Level.NOTE, True)


def test_a_server_that_loads_is_said_to_load_and_how_long_that_takes(tmp_path):
    with SandboxProcess(tmp_path / "server") as server:
        fill(hasty(server.url), "docs", 300)
        given = deployment(tmp_path / "backups", server.url)
        capture(hasty(server.url), initialised(given), system_clock)
    with SandboxProcess(tmp_path / "server", loading="steps") as again:

        def of_the_server():
            return only(
                diagnosed(
                    given, open_server=lambda: hasty(again.url), clock=lambda: system_clock() + timedelta(minutes=1)
                )["server"]
            )

        probe = of_the_server()
        again.steering.step()
        silent = of_the_server()
    assert (probe.level, silent.level) == (Level.MISSING, Level.MISSING)
    assert "seems to be loading still: the server started since backup-" in probe.found
    assert "does not list 'docs'" in probe.found
    assert "a run waits for it by itself" in probe.remedy
    assert "no answer in time" in silent.found
    assert "a server that loads is silent for minutes" in silent.remedy


def test_an_empty_server_is_worth_a_look(tmp_path):
    with SandboxProcess(tmp_path / "server") as server:
        given = deployment(tmp_path / "backups", server.url)
        initialised(given)
        probe = only(diagnosed(given)["server"])
    assert probe.level is Level.MISSING
    assert "lists 0 collections" in probe.found


# ------------------------------------------------------------------ rights


def test_wrong_credentials_are_a_matter_of_rights_and_not_of_the_server(tmp_path):
    with SandboxProcess(tmp_path / "server", password="right horse") as server:
        given = deployment(tmp_path / "backups", server.url)
        initialised(given)
        every = diagnosed(given, open_server=lambda: hasty(server.url, Credentials("admin", "wrong horse")))
        assert set(wrong(every)) == {"rights"}
        assert "401" in only(wrong(every)["rights"])
        assert "correct user and password" in every["rights"][-1].remedy
        assert "answers, and refuses" in only(every["server"]).found
        assert "wrong horse" not in str(every)


def test_a_store_that_was_never_made(tmp_path, sandbox):
    every = diagnosed(deployment(tmp_path / "backups", sandbox.url))
    assert set(wrong(every)) >= {"rights"}
    assert "is not a directory" in only(wrong(every)["rights"])
    assert "store init" in every["rights"][0].remedy


def test_a_store_of_another_deployment(found):
    renamed = found.model_copy(update={"name": "other", "store": found.store})
    (Path(open_store(renamed.root).url.removeprefix("file://"))).symlink_to(
        open_store(found.root).url.removeprefix("file://")
    )
    assert "is the store of deployment 'production'" in only(wrong(diagnosed(renamed))["rights"])


def test_a_folder_that_may_be_read_and_not_written(sandbox):
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "answer").open("w") as answer:
        Path(folder).chmod(0o755)
        base = Path(folder) / "backups"
        given = deployment(base, sandbox.url)
        initialised(given)
        for path in (base, base / "production", base / "production" / "store.json"):
            path.chmod(0o755 if path.is_dir() else 0o644)

        def diagnose_as_somebody() -> None:
            leave_root_behind()
            answer.write(json.dumps(wrong(diagnosed(given))))
            answer.flush()

        assert in_child(diagnose_as_somebody) == ""
        missing = json.loads((Path(folder) / "answer").read_text())
        assert "grant that user read and write access" in only(missing["rights"])
        assert "low-traffic window" not in missing
        base.chmod(stat.S_IRWXU)


def test_a_bucket_that_may_be_written_to_and_not_deleted_from_and_one_that_refuses(tmp_path, sandbox):
    class Keeping(MemoryStore):
        def delete(self, keys):
            raise StoreUnavailable("the bucket did not answer the deletion")

    given = deployment(tmp_path, sandbox.url)
    store = new_store(system_clock)
    store.__class__ = Keeping
    every = diagnosed(given, open_root=lambda _: store)
    assert "did not answer the deletion" in only(wrong(every)["rights"])


# ------------------------------------------------------------------ disk


class Full(MemoryStore):
    """A store whose disk is full."""

    def free_bytes(self):
        return 1000

    def create(self, key, chunks):
        if key.startswith(".staging/"):
            raise StoreFull(f"{self.url}/{key}: there is no room")
        return super().create(key, chunks)


def test_a_full_disk_is_told_with_what_is_free_and_what_is_needed(found):
    store = Full(clock=system_clock)
    for info in (held := open_store(found.root)).list(""):
        if not info.key.startswith(".staging/"):
            store.create(info.key, held.read(info.key))
    missing = wrong(diagnosed(found, open_root=lambda _: store))
    assert set(missing) == {"disk"}
    assert "is full" in missing["disk"][0]
    assert "has 1.0 kB free; the next backup needs about" in missing["disk"][1]


def test_a_copy_needs_room_for_what_the_last_backup_took(found):
    copy = Full(clock=system_clock)
    held = open_store(found.root)
    copy._keep_new("store.json", b"".join(held.read("store.json")))
    both = found.model_copy(update={"copies": ("s3://somewhere",)})
    every = diagnosed(both, open_root=lambda root: open_store(root) if root == found.root else copy)
    words = [probe.found for probe in every["disk"] if "s3://somewhere" in probe.found]
    assert any("the next backup needs about" in found for found in words), words


def test_a_store_without_limit_has_no_disk_to_speak_of(found):
    store = new_store(system_clock)
    every = diagnosed(found, open_root=lambda _: store)
    assert [probe.found for probe in every["disk"] if "memory://" in probe.found] == []


# ------------------------------------------------------------------ traffic


def test_collections_that_moved_while_the_newest_backup_was_read_are_counted(tmp_path, sandbox):
    fuzzy = with_summary(built(), standing=Standing.FUZZY)
    store = new_store(system_clock)
    put(store, fuzzy)
    probe = only(diagnosed(deployment(tmp_path, sandbox.url), open_root=lambda _: store)["low-traffic window"])
    assert probe.level is Level.NOTE
    assert "1 of 2 collections moved" in probe.found
    assert "schedule.full" in probe.remedy


def test_somebody_who_writes_right_now_is_noticed(found, sandbox):
    done = Event()

    def write() -> None:
        client = hasty(sandbox.url)
        seed = 0
        while not done.is_set():
            seed += 1
            client.upsert("images", some_records(range(20), seed=seed))

    writer = Thread(target=write)
    writer.start()
    try:
        probe = only(diagnosed(found)["low-traffic window"])
    finally:
        done.set()
        writer.join()
    assert probe.level is Level.NOTE
    assert "right now 1 collection is written to: images" in probe.found


def test_where_nothing_answers_traffic_is_not_known_and_said_to_be(tmp_path):
    every = diagnosed(deployment(tmp_path / "none", f"http://127.0.0.1:{closed_port()}"))
    assert "not known" in only(every["low-traffic window"]).found


# ------------------------------------------------------------------ buckets, and bugs


def test_the_server_of_a_bucket_is_reached_and_its_refusals_are_rights(tmp_path, sandbox, monkeypatch):
    with SeaweedFS(tmp_path / "seaweed") as seaweed:
        seaweed.client().create_bucket(Bucket="backups")
        given = deployment(tmp_path, sandbox.url, store="s3://backups/here")

        def open_bucket(root):
            return open_store(root, seaweed.client())

        init_store(open_bucket(given.root), "production", system_clock, lambda: "store-1")
        every = diagnosed(given, open_root=open_bucket)
        assert {one.found.split(":")[0] for one in every["network"]} == {"the server", "s3"}
        assert [one.level for one in every["network"]] == [Level.OK, Level.OK]
        assert wrong(every).keys() <= {"server"}
        seaweed.stop()
        missing = wrong(diagnosed(given, open_root=open_bucket))
    assert any("refuses connections" in words for words in missing["network"])
    assert "rights" in missing


def test_a_bug_in_one_probe_silences_no_other(found):
    class Broken(MemoryServer):
        def facts(self):
            raise KeyError("uptime")

    every = diagnosed(found, open_server=Broken)
    assert only(wrong(every)["server"]) == "KeyError: 'uptime'"
    assert [probe.level for probe in every["rights"]] == [Level.OK]


def test_a_store_that_cannot_be_opened_is_told_in_the_openers_words(found):
    def refuse(root):
        raise StoreUnavailable(f"{root}: the connection 'nobody' cannot be used")

    missing = wrong(diagnosed(found, open_root=refuse))
    assert "the connection 'nobody' cannot be used" in only(missing["rights"])
