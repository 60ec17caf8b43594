"""Two workers with separate disks make one backup together; one of them dies, and there is still exactly one."""

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.run_key import run_key
from backup_engine.storage.contract import Store
from sandbox.rules import Rule
from services.airflow_cluster import Machine
from services.waiting import poll
from tests.airflow.places import content
from tests.cluster.conftest import RECORDS, Site
from tests.engine.captures import stored_content

pytestmark = pytest.mark.timeout(600)

BACKUP = "vectorizer_production_full_backup"
EXPORT = "export_collections"
RUN_SECONDS = 240.0
STALL_SECONDS = 600.0
"""Longer than any test waits: what stalls goes on when the rules are cleared."""

LOOK = """
import json, sys
import backup_engine, vectorizer_backup
from airflow import plugins_manager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
plugins_manager.ensure_plugins_loaded()
print(json.dumps({
    "packages": [backup_engine.__file__, vectorizer_backup.__file__],
    "plugins": [plugin["name"] for plugin in plugins_manager.get_plugin_info(["name"])],
    "folder": plugins_manager.settings.PLUGINS_FOLDER,
    "errors": plugins_manager.get_import_errors(),
    "connection type": ProvidersManagerTaskRuntime().hooks.get("vectorizer") is not None,
}))
"""


@dataclass(frozen=True)
class Torn:
    """A run whose worker died in the middle of an export.

    :param before: how many backups there were
    """

    run_id: str
    map_index: int
    killed: Machine
    before: int


@pytest.fixture(scope="module")
def shared(site: Site) -> str:
    """The run of a full backup that both workers read: no export ends before both have begun."""
    site.sandbox.place(Rule(what="slow", path="/points/scroll", seconds=STALL_SECONDS))
    run_id = _start(site)
    addresses = {worker.address for worker in site.cluster.workers}
    poll(lambda: {task["hostname"] for task in _exports(site, run_id)} == addresses, "exports on both workers", 120)
    site.sandbox.clear()
    _end(site, run_id)
    return run_id


@pytest.fixture(scope="module")
def torn(site: Site, shared: str) -> Torn:
    """A run one of whose workers was killed while it read. While Airflow finds out, other tests have their turn."""
    before = len(Catalog(site.primary, system_clock).backups())
    site.sandbox.place(Rule(what="slow", path="/songs/points/scroll", nth=2, seconds=STALL_SECONDS))
    run_id = _start(site)
    poll(lambda: site.sandbox.applied() == [1], "the export of songs to be in the middle", 120)
    (task,) = poll(lambda: _only(_exports(site, run_id)), "the other exports to be done", 120)
    killed = next(worker for worker in site.cluster.workers if worker.address == task["hostname"])
    killed.kill()
    return Torn(run_id, task["map_index"], killed, before)


def test_a_full_backup_is_read_by_both_workers_and_copied(site: Site, shared: str) -> None:
    exports = _exports(site, shared, "success")
    assert len(exports) == len(RECORDS)
    assert {task["hostname"] for task in exports} == {worker.address for worker in site.cluster.workers}
    made = _backup_of(site, shared)
    assert _stored(site.primary, made) == _live(site)
    assert _stored(site.copy, made) == _live(site)


def test_logs_are_read_over_the_api_although_each_lies_on_the_disk_of_its_worker_alone(site: Site, shared: str) -> None:
    for task in _exports(site, shared, "success"):
        assert "Read " in site.airflow.task_log(BACKUP, shared, EXPORT, 1, task["map_index"])
        path = f"logs/dag_id={BACKUP}/run_id={shared}/task_id={EXPORT}/map_index={task['map_index']}/attempt=1.log"
        holders = [one.address for one in site.cluster.machines.values() if (one.home / path).exists()]
        assert holders == [task["hostname"]]


def test_no_machine_knows_or_has_open_what_lies_on_the_disk_of_another(site: Site, shared: str) -> None:
    machines = site.cluster.machines
    for name, machine in machines.items():
        others = tuple(f"{other.home}/" for other in machines.values() if other is not machine)
        assert [value for value in machine.environment.values() if any(other in value for other in others)] == [], name
        opened = _open_files(machine)
        assert [path for path in opened if path.startswith(others)] == [], name
        assert [path for path in opened if path.startswith(f"{machine.home}/")], name


def test_every_machine_has_both_packages_the_plugin_and_the_connection_type(site: Site, torn: Torn) -> None:
    machines = site.cluster.machines
    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(lambda machine: machine.run("python", "-c", LOOK), machines.values())]
    for (name, machine), answer in zip(machines.items(), answers, strict=True):
        assert answer.returncode == 0, f"{name}: {answer.stderr}"
        found = json.loads(answer.stdout.splitlines()[-1])
        assert "vectorizer_backup" in found["plugins"], name
        assert found["folder"] == str(machine.home / "plugins")
        assert found["errors"] == {}
        assert found["connection type"] is True
        assert not [path for path in found["packages"] if path.startswith(str(site.home))]


def test_a_folder_that_each_machine_sees_for_itself_is_refused_in_words(site: Site, torn: Torn) -> None:
    dag_id = "vectorizer_scattered_full_backup"
    site.airflow.unpause(dag_id)
    run_id = site.airflow.trigger(dag_id)
    assert site.airflow.wait_for_run(dag_id, run_id, RUN_SECONDS) == "failed"
    refused = [task for task in site.airflow.tasks(dag_id, run_id) if task["state"] == "failed"]
    told = "".join(site.airflow.task_log(dag_id, run_id, task["task_id"]) for task in refused)
    assert "is a directory of one machine" in told
    assert "?shared=yes" in told
    assert {task["try_number"] for task in refused} == {1}
    assert not (site.home / "everybody-has-another").exists()


def test_the_health_checks_of_the_compose_file_tell_living_machines_from_a_dead_one(site: Site, torn: Torn) -> None:
    machines = site.cluster.machines
    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(lambda machine: machine.run(*site.cluster.health_check(machine)), machines.values())]
    sick = [name for name, answer in zip(machines, answers, strict=True) if answer.returncode]
    assert sick == [torn.killed.name], [answer.stderr[-500:] for answer in answers]


def test_what_a_dead_worker_was_reading_the_other_reads_and_there_is_one_backup(site: Site, torn: Torn) -> None:
    _end(site, torn.run_id)
    site.sandbox.clear()
    (again,) = [one for one in _exports(site, torn.run_id, "success") if one["map_index"] == torn.map_index]
    (alive,) = [worker for worker in site.cluster.workers if worker is not torn.killed]
    assert (again["try_number"], again["hostname"]) == (2, alive.address)
    assert "Read " in site.airflow.task_log(BACKUP, torn.run_id, EXPORT, 2, torn.map_index)
    made = _backup_of(site, torn.run_id)
    assert len(Catalog(site.primary, system_clock).backups()) == torn.before + 1
    assert _stored(site.primary, made) == _live(site)
    assert [one.key for one in site.primary.list(".staging/")] == []
    assert site.s3.client().list_multipart_uploads(Bucket="vectorizer-backups").get("Uploads", []) == []


def _start(site: Site) -> str:
    site.airflow.unpause(BACKUP)
    return site.airflow.trigger(BACKUP)


def _end(site: Site, run_id: str) -> None:
    state = site.airflow.wait_for_run(BACKUP, run_id, RUN_SECONDS)
    assert state == "success", site.airflow.task_states(BACKUP, run_id)


def _exports(site: Site, run_id: str, state: str = "running") -> list[dict[str, Any]]:
    return [task for task in site.airflow.tasks(BACKUP, run_id) if task["task_id"] == EXPORT and task["state"] == state]


def _only(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return tasks if len(tasks) == 1 else []


def _backup_of(site: Site, run_id: str) -> Backup:
    """Give the one backup that a run made; it is good and every byte of it was found right."""
    catalog = Catalog(site.primary, system_clock)
    assert catalog.unreadable == ()
    (made,) = [one for one in catalog.backups() if one.manifest.clear.run_key == run_key(BACKUP, run_id)]
    assert made.good_whole
    assert made.verified_at
    return made


def _open_files(machine: Machine) -> list[str]:
    sessions = {process.pid for process in machine.processes}
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) in sessions:
                found += [file.path for file in process.open_files()]
    return found


def _live(site: Site) -> dict[str, dict[str, tuple[bytes, str | None]]]:
    return {name: content(site.server, name) for name in RECORDS}


def _stored(store: Store, made: Backup) -> dict[str, dict[str, tuple[bytes, str | None]]]:
    return stored_content(store, made.folder, made.name)
