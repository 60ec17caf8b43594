"""The main job, step by step: back up, copy, verify, lose the data and the disk, restore, compare, rebuild."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backup_engine import wording
from demo.difference import Difference, difference
from demo.docstrings import Text
from demo.screen import Screen
from demo.stage import APPROVER, DEPLOYMENT, REQUESTER, DemoError, Stage
from demo.vectorizer import DIMENSION, Content
from services.airflow_client import AirflowError

BACKUP_DAG = f"vectorizer_{DEPLOYMENT}_full_backup"
VERIFICATION_DAG = f"vectorizer_{DEPLOYMENT}_verification"
RESTORE_DAG = f"vectorizer_{DEPLOYMENT}_restore"
APPROVAL = "approve"
DAGS_SECONDS, RUN_SECONDS = 60, 300

LOST, DAMAGED = "docs-stdlib-text", "docs-stdlib-data"
OVERWRITTEN, ERASED, STRAY = 200, 100, 20

Contents = Mapping[str, Content]


@dataclass(frozen=True)
class Story:
    """Everything that happens, in order.

    :param before: what the server held at first
    """

    stage: Stage
    screen: Screen
    before: Contents

    def tell(self) -> bool:
        """Do the main job; True when all is as it was before."""
        self.meet_dags()
        backup = self.back_up()
        self.verify()
        self.damage()
        self.lose_the_disk()
        self.restore(backup)
        same = self.compare()
        self.rebuild(backup)
        return same

    def meet_dags(self) -> None:
        """Wait until Airflow has read the DAGs."""
        client, dags = self.stage.airflow.client(REQUESTER), (BACKUP_DAG, VERIFICATION_DAG, RESTORE_DAG)
        try:
            client.wait_for_dags(dags, DAGS_SECONDS)
        except (AirflowError, TimeoutError) as error:
            raise DemoError(f"{error}; import errors: {client.import_errors() or 'none'}") from error
        self.screen.done(f"it knows {', '.join(dags)}")

    def back_up(self) -> str:
        """Run the DAG and give the backup's name."""
        self.screen.title("Full backup")
        self._run(BACKUP_DAG, {"label": "before the accident"})
        (backup,) = self.stage.command("list", "--store", self.stage.store)["backups"]
        self.screen.done(told_of(backup))
        self.screen.done(f"every byte of it was read again and found whole: verified {backup['verified']}")
        (copy,) = self.stage.command("list", "--store", self.stage.copy)["backups"]
        self.screen.done(f"{self.stage.copy} has it too, compared byte by byte: {wording.size(copy['bytes'])}")
        return str(backup["name"])

    def verify(self) -> None:
        """Run the DAG that does so every week."""
        self.screen.title("Verification")
        self._run(VERIFICATION_DAG, {})

    def damage(self) -> None:
        """Delete one collection; overwrite, delete and add records in another."""
        self.screen.title("Accident")
        server, ids = self.stage.server, self.before[DAMAGED].ids
        server.drop(LOST, survivor=DAMAGED)
        server.write(DAMAGED, _written_over(ids[:OVERWRITTEN]))
        server.erase(DAMAGED, ids[OVERWRITTEN : OVERWRITTEN + ERASED])
        server.write(DAMAGED, _written_over(f"stray-{number}" for number in range(STRAY)))
        server.save(DAMAGED)
        now = server.content()
        for name in (LOST, DAMAGED):
            self.screen.broken(f"{name}: {_told(difference(self.before[name], now.get(name)))}")

    def lose_the_disk(self) -> None:
        """Take the primary store away as well: all that is left lies off-site."""
        shutil.rmtree(self.stage.disk)
        self.screen.broken(f"{self.stage.store}: gone, with every backup on it")

    def restore(self, backup: str) -> None:
        """Ask for it as one person, look at the plan and approve it as another."""
        self.screen.title("Restore")
        asking, deciding = self.stage.airflow.client(REQUESTER), self.stage.airflow.client(APPROVER)
        asking.unpause(RESTORE_DAG)
        wish = {"restore_point": backup, "mode": "replace", "collections": [LOST, DAMAGED], "dry_run": False}
        run = asking.trigger(RESTORE_DAG, wish)
        self.screen.begun(f"{REQUESTER} asks {RESTORE_DAG} to replace {LOST} and {DAMAGED} with {backup}")
        question = deciding.wait_for_question(RESTORE_DAG, run, APPROVAL, RUN_SECONDS)
        self.screen.page(question["body"] or question["subject"])
        deciding.answer(RESTORE_DAG, run, APPROVAL, "Approve")
        self.screen.done(f"{APPROVER} approves")
        state = asking.wait_for_run(RESTORE_DAG, run, RUN_SECONDS)
        self._require(state, RESTORE_DAG, asking.task_states(RESTORE_DAG, run))
        report = asking.xcom(RESTORE_DAG, run, "restore_collections")
        self.screen.done(
            f"restore {report['restore_id']}: {wording.count(report['collections'], 'collection')}, "
            f"{wording.count(report['vectors'], 'vector')} loaded aside, {report['compared']:,} compared with the "
            f"backup and equal, swapped in; {wording.duration(report['seconds'])}"
        )
        kept = [name for name in self.stage.server.names() if name not in self.before]
        self.screen.done(f"what was replaced is kept until somebody releases it: {wording.listing(kept)}")

    def rebuild(self, backup: str) -> None:
        """Make a new primary store and bring back what the copy has."""
        self.screen.title("A new disk")
        self.stage.command("store", "init", self.stage.store, "--deployment", DEPLOYMENT)
        self.stage.command("sync", "--store", self.stage.store, "--copy", self.stage.copy, "--direction", "back")
        report = self.stage.command("verify", backup, "--store", self.stage.store)
        self.screen.done(f"{self.stage.store} has {backup} again: {report['vectors']:,} vectors read and right")

    def compare(self) -> bool:
        """Read everything again, by other means than the product's, and compare it with what was there at first."""
        self.screen.title("Is it the same?")
        now = self.stage.server.content()
        found = {name: difference(content, now.get(name)) for name, content in self.before.items()}
        for name, one in found.items():
            (self.screen.done if one.same else self.screen.broken)(f"{name}: {_told(one)}")
        return all(one.same for one in found.values())

    def _run(self, dag: str, conf: Mapping[str, object]) -> None:
        client = self.stage.airflow.client(REQUESTER)
        client.unpause(dag)
        started = self.screen.seconds
        run = client.trigger(dag, conf)
        self.screen.begun(f"{dag} runs: {self.stage.airflow.url}/dags/{dag}/runs/{run}")
        state = client.wait_for_run(dag, run, RUN_SECONDS)
        tasks = client.task_states(dag, run)
        self._require(state, dag, tasks)
        took = wording.duration(self.screen.seconds - started)
        self.screen.done(f"{dag} is green: {wording.count(len(tasks), 'task')} in {took}")

    def _require(self, state: str, dag: str, tasks: Mapping[str, Any]) -> None:
        if state != "success":
            told = ", ".join(f"{task} {is_now}" for task, is_now in tasks.items())
            raise DemoError(f"{dag} is {state}: {told}. Logs: {self.stage.airflow.home / 'logs'}")


def told_of(backup: Mapping[str, Any]) -> str:
    """Tell of a backup as `vectorizer-backup list --json` gives it."""
    floats = backup["vectors"] * DIMENSION * 4
    return (
        f"{backup['name']} is {backup['state']}: {wording.count(backup['collections'], 'collection')}, "
        f"{wording.count(backup['vectors'], 'vector')}, {wording.size(backup['bytes'])} with all texts "
        f"(the vectors alone are {wording.size(floats)} of floats)"
    )


def _written_over(ids: Iterable[str]) -> list[Text]:
    return [Text(name, f"{name} was written over by a script that ran twice", {"by": "accident"}) for name in ids]


def _told(one: Difference) -> str:
    if not one.compared:
        return f"gone, with {wording.count(one.missing, 'record')}"
    facts = {
        "missing": one.missing,
        "added": one.added,
        "with another vector": one.vectors,
        "with another payload": one.payloads,
    }
    differing = ", ".join(f"{number:,} {what}" for what, number in facts.items() if number)
    compared = f"{wording.count(one.compared, 'record')} compared"
    return f"{compared}: {differing}" if differing else f"{compared}, all as before; smallest cosine {one.nearest:.7f}"
