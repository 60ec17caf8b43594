"""In a real Airflow: people hear of runs that are late or failed, once, through every channel, and of their end."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.rules import Rule
from services.waiting import poll
from tests.integration.conftest import HOOK_SECRET, Site

pytestmark = pytest.mark.timeout(600)

SECONDS = 240.0
BACKUP = "vectorizer_late_full_backup"
VERIFICATION = "vectorizer_late_verification"
RESTORE = "vectorizer_late_restore"
CHANNELS = ("slack", "teams", "duty", "own", "notifier")
EVERYBODY_ONCE = dict.fromkeys(("mail", *CHANNELS), 1)


def _trigger(site: Site, dag_id: str, run_id: str, **conf: object) -> None:
    """Start a run under a name that every channel writes as it is."""
    site.dana.call("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})


def _heard(site: Site, word: str) -> dict[str, int]:
    """Count by channel the messages that have this word."""
    paths = [call.path.split("/")[1] for call in site.hooks.requests if word in call.body.decode()]
    mails = [mail for mail in site.mail.messages if word in mail.html and word in mail.text]
    return {"mail": len(mails), **{channel: paths.count(channel) for channel in CHANNELS}}


def _told(site: Site, kind: str, occasion: str, subject: str = "full_backup") -> list[dict[str, object]]:
    return [one for one in site.told() if (one["kind"], one["occasion"], one["subject"]) == (kind, occasion, subject)]


def _callbacks(site: Site, run_id: str) -> list[str]:
    """Tell how the callbacks of a run's missed deadlines stand; Airflow's API does not say."""
    query = (
        "SELECT callback.state FROM callback JOIN deadline ON deadline.callback_id = callback.id "
        "JOIN dag_run ON dag_run.id = deadline.dagrun_id WHERE dag_run.run_id = ? AND deadline.missed"
    )
    with closing(sqlite3.connect(f"file:{site.airflow.home}/airflow.db?mode=ro", uri=True, timeout=30)) as database:
        return [state for (state,) in database.execute(query, (run_id,))]


def _wait_for_callback(site: Site, run_id: str) -> None:
    poll(lambda: _callbacks(site, run_id) == ["success"], f"the callback of the deadline of {run_id}", SECONDS)


def _wait_for_everybody(site: Site, run_id: str) -> None:
    poll(lambda: all(_heard(site, run_id).values()), f"everybody to hear of {run_id}", SECONDS)
    _wait_for_callback(site, run_id)
    assert _heard(site, run_id) == EVERYBODY_ONCE


@pytest.fixture(scope="module", autouse=True)
def tortoise(site: Site) -> Iterator[str]:
    """A backup that does not get on, after one that did."""
    site.dana.unpause(BACKUP)
    for run_id in ("hare1", "tortoise1"):
        _trigger(site, BACKUP, run_id)
        if run_id == "hare1":
            assert site.dana.wait_for_run(BACKUP, run_id, SECONDS) == "success", site.dana.task_states(BACKUP, run_id)
            poll(lambda: _nothing_goes_on(site), "the scheduled run to end as well", SECONDS)
            poll(lambda: not _open_lateness(site), "everybody to hear of the end of what was late", SECONDS)
            site.mail.clear()
            site.hooks.clear()
            site.late.place(Rule(what="slow", path="/points/scroll$|^/graphql$", seconds=SECONDS, times=1000))
    yield "tortoise1"
    site.late.clear()
    assert HOOK_SECRET not in site.airflow.log.read_text(encoding="utf-8")


def _nothing_goes_on(site: Site) -> bool:
    runs = site.dana.call("GET", f"/dags/{BACKUP}/dagRuns", limit=50)["dag_runs"]
    return all(run["state"] in {"success", "failed"} for run in runs)


def _open_lateness(site: Site) -> bool:
    return len(_told(site, "run-late", "raised")) > len(_told(site, "run-late", "recovered"))


@pytest.mark.parametrize(("dag_id", "purpose"), [(VERIFICATION, "verification"), (RESTORE, "restore")])
def test_a_verification_and_a_restore_that_do_not_begin_are_late(site: Site, dag_id: str, purpose: str) -> None:
    run_id = f"snail-{purpose}"
    _trigger(site, dag_id, run_id, **({"restore_point": "latest"} if purpose == "restore" else {}))
    _wait_for_everybody(site, run_id)
    (late,) = _told(site, "run-late", "raised", purpose)
    assert "It has not begun" in str(late["found"])
    assert late["severity"] == ("critical" if purpose == "restore" else "warning")
    site.dana.call("DELETE", f"/dags/{dag_id}/dagRuns/{run_id}")


def test_a_backup_that_is_late_is_told_once_through_every_channel_and_its_end_once(site: Site, tortoise: str) -> None:
    _wait_for_everybody(site, tortoise)
    assert site.dana.run_state(BACKUP, tortoise) == "running"
    (mail,) = [mail for mail in site.mail.messages if tortoise in mail.html]
    assert "full backup is late" in mail.subject
    for word in (f"{site.airflow.url}/dags/{BACKUP}/runs/{tortoise}", "has not ended", "network", "rights", "disk"):
        assert word.lower() in mail.html.lower(), word
    site.late.clear()
    assert site.dana.wait_for_run(BACKUP, tortoise, SECONDS) == "success", site.dana.task_states(BACKUP, tortoise)
    poll(lambda: _told(site, "run-late", "recovered"), "everybody to hear of the end", SECONDS)
    assert len(_told(site, "run-late", "raised")) == len(_told(site, "run-late", "recovered")) == 1
    assert not _told(site, "run-failed", "raised")
    events = [said for said in site.hooks.said("/duty") if said["payload"]["class"] == "run-late"]
    duty = [said["event_action"] for said in events if said["payload"]["component"] == "full_backup"]
    assert duty == ["trigger", "resolve"]


def test_a_backup_that_fails_is_told_once_and_its_missed_deadline_adds_nothing(site: Site) -> None:
    site.watch()  # a look at the server while it was slow would count as the cause, and be waited out
    _trigger(site, BACKUP, "dropped1", collections=["unheard-of"])
    assert site.dana.wait_for_run(BACKUP, "dropped1", SECONDS) == "failed"
    _wait_for_everybody(site, "dropped1")
    (failed,) = _told(site, "run-failed", "raised")
    assert "plan_capture failed" in str(failed["found"])
    (message,) = [said for said in site.hooks.said(f"/own/{HOOK_SECRET}") if "dropped1" in str(said["run"])]
    assert message["run"]["url"] == f"{site.airflow.url}/dags/{BACKUP}/runs/dropped1"
    assert message["protection"]["rpo"] == pytest.approx(30)
    assert message["protection"]["fresh_at"]
    found = {probe["what"] for probe in message["probes"]}
    assert {"disk", "rights", "network", "server", "low-traffic window"} <= found
    _trigger(site, BACKUP, "caught1")
    assert site.dana.wait_for_run(BACKUP, "caught1", SECONDS) == "success", site.dana.task_states(BACKUP, "caught1")
    poll(lambda: _told(site, "run-failed", "recovered"), "everybody to hear of the end", SECONDS)
    assert len(_told(site, "run-failed", "raised")) == len(_told(site, "run-failed", "recovered")) == 1
    assert len(_told(site, "run-late", "raised")) == 1, "of the tortoise: people knew that backups failed"
