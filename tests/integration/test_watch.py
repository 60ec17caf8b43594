"""In a real Airflow: the watch runs by itself, tells what no run can, and calls the dead-man address if all is well."""

from collections.abc import Iterator

import pytest

from backup_engine.catalog import Catalog
from backup_engine.freshness.metrics import METRICS
from backup_engine.model import system_clock
from backup_engine.storage.opening import open_store
from services.waiting import poll
from tests.integration.conftest import HOOK_SECRET, WATCH, Site
from tests.tables import squeezed

pytestmark = pytest.mark.timeout(900)

SECONDS = 400.0
PURPOSES = ("full_backup", "verification", "restore", "after_restore", "pruning")

CALM = """
alerts:
  channels:
    own: {{kind: webhook, connection: team_own}}
  heartbeat: team_heartbeat
deployments:
  late:
    tier: production
    rpo: 25h
    schedule: {{incremental: never}}
    server: {{connection: vectorizer_late, url: "{late}"}}
    store: file://{home}/backups
"""


def _well(states: dict[str, str]) -> bool:
    return states == dict.fromkeys(("look", "tell", "heartbeat", "metrics"), "success")


def _news(site: Site) -> list[tuple[str, str]]:
    """What was told since last asked: occasion and kind."""
    told = [(one["occasion"], one["kind"]) for one in site.told()]
    site.hooks.clear()
    return sorted(told)


def test_it_runs_by_itself_and_tells_everybody_of_an_entry_that_is_wrong(site: Site) -> None:
    runs = poll(
        lambda: site.dana.call("GET", f"/dags/{WATCH}/dagRuns", limit=1, order_by="run_after")["dag_runs"],
        "a run of the watch",
        SECONDS,
    )
    assert runs[0]["run_type"] == "scheduled"
    site.dana.wait_for_run(WATCH, runs[0]["dag_run_id"], SECONDS)
    site.watch()
    site.time_passes("mistyped")
    states = site.watch()
    assert (states["look"], states["tell"], states["heartbeat"]) == ("success", "success", "skipped")
    site.watch()
    (wrong,) = _wrong_entries(site, "others")
    assert "teir" in wrong
    assert _wrong_entries(site, "own") == [wrong]


def _wrong_entries(site: Site, channel: str) -> list[str]:
    return [str(one["found"]) for one in site.told(channel) if one["kind"] == "deployment-invalid"]


def test_it_shows_how_all_stand_and_its_figures_leave_under_the_names_of_the_catalogue(site: Site) -> None:
    site.figures.clear()
    run_id = site.dana.trigger(WATCH)
    site.dana.wait_for_run(WATCH, run_id, SECONDS)
    table = squeezed(site.dana.xcom(WATCH, run_id, "look", "table"))
    assert all(f"| {name} |" in table for name in ("main", "late", "offsite", "dead"))
    every = {one.name.removeprefix("airflow.") for one in site.figures.figures}
    names = {name for name in every if name.startswith("vectorizer_backup_")}
    assert {name.split(".")[0] for name in names} <= METRICS.keys()
    assert {"vectorizer_backup_server_reachable.late", "vectorizer_backup_rpo_promised_seconds.late"} <= names
    assert site.figures.latest("airflow.vectorizer_backup_server_reachable.dead") == 0


@pytest.fixture
def calm(site: Site) -> Iterator[str]:
    """A configuration of one deployment that is well, for as long as the test."""
    path = site.home / "deployments.yaml"
    before, text = path.read_text(), CALM.format(late=site.late.url, home=site.home)
    for purpose in PURPOSES:
        site.dana.unpause(f"vectorizer_late_{purpose}")
    backup = "vectorizer_late_full_backup"
    if not Catalog(open_store(f"file://{site.home}/backups/late"), system_clock).backups():
        assert site.dana.wait_for_run(backup, site.dana.trigger(backup), SECONDS) == "success"
    path.write_text(text)
    yield text
    path.write_text(before)


def test_it_calls_the_dead_man_when_all_is_well_and_tells_each_trouble_and_its_end_once(site: Site, calm: str) -> None:
    path = site.home / "deployments.yaml"
    site.watch()  # what was wrong before, with other promises, is over now
    site.hooks.clear()
    assert _well(site.watch()), "all is well"
    assert f"/heartbeat/{HOOK_SECRET}" in [call.path for call in site.hooks.requests]
    assert _news(site) == []

    path.write_text(calm.replace("channels:", "chanels:"))
    site.late.stop()
    assert site.watch()["look"] == "success"
    assert _news(site) == [], "what mends itself wakes nobody"
    site.time_passes("late")
    site.time_passes("")
    assert site.watch()["heartbeat"] == "skipped"
    assert _news(site) == [("raised", "configuration-unreadable"), ("raised", "server-unreachable")]
    site.watch()
    assert _news(site) == [], "it was told"

    path.write_text(calm)
    site.late.start()
    assert _well(site.watch())
    assert f"/heartbeat/{HOOK_SECRET}" in [call.path for call in site.hooks.requests]
    assert _news(site) == [("recovered", "configuration-unreadable"), ("recovered", "server-unreachable")]
    assert HOOK_SECRET not in site.airflow.log.read_text(encoding="utf-8")
