"""deployments.yaml: one mistake costs one deployment, says where it is, and never the others."""

from datetime import timedelta
from pathlib import Path

import pytest

from backup_engine.deployments import configuration_path, load_deployments, read_deployments
from backup_engine.model import ReadWay
from backup_engine.tiers import TIERS, Tier

GOOD = """
  {name}:
    tier: production
    server: {{connection: vectorizer_default, url: http://localhost:15002}}
    store: file:///var/backups/vectorizer
"""
ROOT = Path(__file__).resolve().parents[2]


def _with(extra: str, name: str = "tried") -> str:
    return f"deployments:{GOOD.format(name='first')}\n  {name}:\n{extra}\n{GOOD.format(name='last')}"


def _tried(changes: str) -> str:
    lines = {
        "tier": "    tier: production",
        "server": "    server: {url: http://localhost:15002}",
        "store": "    store: file:///b",
    }
    for line in changes.splitlines():
        lines[line.split(":")[0].strip()] = f"    {line.strip()}"
    return _with("\n".join(lines.values()))


def test_the_file_of_this_repository_is_valid() -> None:
    loaded = load_deployments(configuration_path({}))
    assert loaded.problems == {}
    assert list(loaded.deployments) == ["production"]
    assert configuration_path({}) == ROOT / "include" / "deployments.yaml"


def test_another_file_can_be_named(tmp_path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("deployments:" + GOOD.format(name="elsewhere"))
    path = configuration_path({"VECTORIZER_BACKUP_CONFIG": str(other)})
    assert list(load_deployments(path).deployments) == ["elsewhere"]


def test_a_file_that_is_not_there_is_a_problem_that_says_where_it_was_looked_for(tmp_path) -> None:
    loaded = load_deployments(tmp_path / "missing.yaml")
    assert loaded.deployments == {}
    assert str(tmp_path) in loaded.problems["missing.yaml"]
    assert "VECTORIZER_BACKUP_CONFIG" in loaded.problems["missing.yaml"]


def test_the_root_lies_below_the_base_and_each_deployment_has_its_own() -> None:
    loaded = read_deployments("deployments:" + GOOD.format(name="a") + GOOD.format(name="b"))
    assert [one.root for one in loaded.deployments.values()] == [
        "file:///var/backups/vectorizer/a",
        "file:///var/backups/vectorizer/b",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("tier: produktion", "tier: Input should be 'critical', 'production' or 'development'"),
        ("teir: production", "teir is not known: 'tier' is meant?"),
        ("server: {connection: x}", "server.url is missing"),
        ("server: {url: 'localhost:15002'}", "server.url: an address starting with http:// or https://"),
        ("server: {url: 'http://dana:secret@host'}", "server.url: an address holds no user and no password"),
        ("server: {url: 'http://host', connecton: x}", "server.connecton is not known: 'connection' is meant?"),
        ("server: {url: 'http://host', connection: 'a b'}", "server.connection: "),
        ("server: {url: 'http://host', patience: soon}", "server.patience: a length of time like 90s"),
        ("server: {url: 'http://host', read_with: telepathy}", "server.read_with: Input should be 'scroll', 'graphql'"),
        ("store: ftp://host/x", "store: ftp:… names no store that can be opened; supported are file:///absolute/path"),
        ("store: s3://key:secret@bucket", "store: s3:… what stands before @ is the id of an Airflow connection"),
        ("store: s3://bucket?region=eu", "store: s3:…?region: not known; known are sse, kms_key, staging"),
        ("store: file://relative", "store: a file address with a host names no directory"),
        ("store: file:///", "store: '/' is not the absolute path"),
        ("copies: s3://bucket", "copies: "),
        ("copies: [s3://bucket, gs://]", "copies.1: gs:…"),
        ("copies: ['file:///b']", "file:///b stands twice among `store` and `copies`"),
        ("copies: ['file:///b/?shared=yes']", "file:///b stands twice among `store` and `copies`"),
        ("copies: [s3://a@bucket/x, s3://b@bucket/x]", "s3://bucket/x stands twice among `store` and `copies`"),
        ("copys: [s3://bucket]", "copys is not known: 'copies' is meant?"),
        ("schedule: {sync: hourly}", "schedule.sync: "),
        ("streams: 0", "streams: "),
        ("streams: many", "streams: "),
        ("shrink_limit: 20", "shrink_limit: "),
        ("schedule: {full: '61 * * * *'}", "schedule.full: '61' is no minute"),
        ("rpo: 15", "rpo: a length of time"),
        ("restore: {aproval: true}", "restore.aproval is not known: 'approval' is meant?"),
        ("restore: {keep_replaced: a week}", "restore.keep_replaced: a length of time like 90s"),
        ("restore: {keep_replaced: 7}", "restore.keep_replaced: a length of time like 90s"),
        ("collections: {exclude: scratch}", "collections.exclude: "),
        ("tier: [production", "line "),
        ("store: 'file:///b", "line "),
        ("tier: *nowhere", "line "),
        ("streams: 4\n    streams: 5", "line "),
    ],
)
def test_one_mistake_costs_one_deployment_and_says_what_it_is(changes, message) -> None:
    text = _with(f"    tier: production\n    server: {{url: 'http://h'}}\n    {changes}") if "\n" in changes else None
    loaded = read_deployments(text or _tried(changes))
    assert list(loaded.deployments) == ["first", "last"]
    assert list(loaded.problems) == ["tried"]
    assert message in loaded.problems["tried"]
    assert "secret" not in loaded.problems["tried"]


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 41, "with space", "ünicode"])
def test_a_name_that_could_not_be_a_folder_and_a_dag_is_refused(name) -> None:
    loaded = read_deployments(_with(GOOD.format(name="x").split("\n", 2)[2], name=name))
    assert list(loaded.deployments) == ["first", "last"]
    assert "a deployment's name is made of" in loaded.problems[name]


def test_a_name_that_stands_twice_means_neither() -> None:
    loaded = read_deployments("deployments:" + GOOD.format(name="a") + GOOD.format(name="b") + GOOD.format(name="a"))
    assert list(loaded.deployments) == ["b"]
    assert "stands twice" in loaded.problems["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "was expected at the top"),
        ("- a", "was expected at the top"),
        ("deployment: {}", "was expected at the top"),
        ("deployments:", "names no deployment"),
        ("deployments: {}", "names no deployment"),
        ("deployments: [a]", "names no deployment"),
        ("deployments: {a: {", "line 1"),
    ],
)
def test_a_file_that_protects_nothing_is_a_problem(text, message) -> None:
    loaded = read_deployments(text)
    assert loaded.deployments == {}
    assert message in loaded.problems["deployments.yaml"]


def test_an_entry_that_lost_its_indentation_is_found() -> None:
    text = "deployments:" + GOOD.format(name="first") + "staging:\n    tier: production\n"
    loaded = read_deployments(text)
    assert list(loaded.deployments) == ["first"]
    assert "indent it" in loaded.problems["staging"]


@pytest.mark.parametrize(
    ("tier", "full", "incremental", "rpo", "rto"),
    [
        (Tier.CRITICAL, "0 2 * * *", "*/10 * * * *", timedelta(minutes=15), timedelta(hours=1)),
        (Tier.PRODUCTION, "0 2 * * *", "0 * * * *", timedelta(hours=1), timedelta(hours=4)),
        (Tier.DEVELOPMENT, "0 2 * * 0", None, timedelta(hours=24), timedelta(hours=24)),
    ],
)
def test_tiers_promise_what_the_guide_says(tier, full, incremental, rpo, rto) -> None:
    terms = TIERS[tier]
    assert (terms.full, terms.incremental, terms.rpo, terms.rto) == (full, incremental, rpo, rto)
    assert terms.gap <= rpo or tier is Tier.DEVELOPMENT


@pytest.mark.parametrize(
    ("schedule", "incremental", "gap"),
    [
        ("{}", "0 * * * *", timedelta(hours=1)),
        ("{incremental: '*/5 * * * *'}", "*/5 * * * *", timedelta(minutes=5)),
        ("{incremental: never}", None, timedelta(days=1)),
        ("{full: '*/30 * * * *'}", "0 * * * *", timedelta(minutes=30)),
    ],
)
def test_incrementals_come_as_the_tier_says_or_otherwise_or_never(schedule, incremental, gap) -> None:
    (deployment,) = read_deployments(_only(f"tier: production\n    schedule: {schedule}")).deployments.values()
    assert (deployment.terms.incremental, deployment.terms.gap) == (incremental, gap)
    assert any("that much can be lost" in one for one in deployment.warnings) is (gap > timedelta(hours=1))


STANDBY = "standby: {connection: spare, url: 'http://spare:15002'}"


def test_a_standby_that_is_fed_by_fulls_only_is_said_to_be_far_behind() -> None:
    (fed,) = read_deployments(_only(f"tier: critical\n    {STANDBY}")).deployments.values()
    assert not any("standby" in one for one in fed.warnings)
    never = _only(f"tier: critical\n    schedule: {{incremental: never}}\n    {STANDBY}")
    (starved,) = read_deployments(never).deployments.values()
    assert any("the standby spare is fed by backups, which lie up to 1 d apart" in one for one in starved.warnings)


@pytest.mark.parametrize("own", ["{connection: spare, url: 'http://h'}", "{url: 'http://spare:15002'}"])
def test_a_standby_that_is_the_server_itself_is_refused(own) -> None:
    loaded = read_deployments(_tried(f"server: {own}\n{STANDBY}"))
    assert "`standby` is the server itself" in loaded.problems["tried"]


def test_a_promise_that_the_schedule_cannot_keep_is_said_in_words() -> None:
    (deployment,) = read_deployments(_only("tier: development")).deployments.values()
    warning, _ = deployment.warnings
    assert "a recovery point at most 1 d old is promised" in warning
    assert "up to 7 d apart" in warning
    assert "rpo: 168h" in warning


@pytest.mark.parametrize("mended", ["rpo: 168h", "rpo: 7d", "schedule: {full: '0 2 * * *'}"])
def test_the_warning_goes_when_its_advice_is_followed(mended) -> None:
    text = _only(f"tier: development\n    copies: ['s3://bucket']\n    {mended}")
    (deployment,) = read_deployments(text).deployments.values()
    assert deployment.warnings == ()


def test_backups_that_lie_in_one_place_only_are_said_in_words() -> None:
    (deployment,) = read_deployments(_only("tier: production")).deployments.values()
    assert "all its backups lie in one place, file:///b/a: if that is lost" in deployment.warnings[-1]
    assert "`copies`" in deployment.warnings[-1]


def test_copies_have_roots_of_their_own_with_connection_and_options_in_the_order_they_are_asked() -> None:
    copies = "copies: ['s3://aws@bucket/far?sse=AES256', 'gs://bucket', 'file:///c?shared=yes']"
    (deployment,) = read_deployments(_only(f"tier: production\n    {copies}")).deployments.values()
    assert deployment.roots == (
        deployment.root,
        "s3://aws@bucket/far/a?sse=AES256",
        "gs://bucket/a",
        "file:///c/a?shared=yes",
    )
    assert deployment.copy_roots == deployment.roots[1:]


def test_what_was_missed_is_looked_for_every_six_hours_unless_somebody_says_otherwise() -> None:
    (usual,) = read_deployments(_only("tier: production")).deployments.values()
    (own,) = read_deployments(_only("tier: production\n    schedule: {sync: '0 4 * * *'}")).deployments.values()
    assert (usual.terms.sync, own.terms.sync) == ("45 */6 * * *", "0 4 * * *")


def test_a_deployments_own_terms_come_before_its_tiers() -> None:
    text = _only("tier: production\n    rto: 30min\n    schedule: {full: '0 */6 * * *', verification: '0 1 * * 3'}")
    (deployment,) = read_deployments(text).deployments.values()
    terms = deployment.terms
    assert (terms.full, terms.verification) == ("0 */6 * * *", "0 1 * * 3")
    assert (terms.rpo, terms.rto) == (timedelta(hours=1), timedelta(minutes=30))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("{}", timedelta(days=7)),
        ("{keep_replaced: 36h}", timedelta(hours=36)),
        ("{keep_replaced: never}", None),
        ("{keep_replaced: null}", None),
    ],
)
def test_what_a_restore_replaced_is_kept_for_a_week_unless_somebody_says_otherwise(written, kept) -> None:
    (deployment,) = read_deployments(_only(f"tier: production\n    restore: {written}")).deployments.values()
    assert deployment.restore.keep_replaced == kept


@pytest.mark.parametrize(("written", "way"), [("auto", None), ("graphql", ReadWay.GRAPHQL)])
def test_a_server_is_read_in_the_best_way_it_has_unless_one_is_named(written, way) -> None:
    server = f"{{url: 'http://h', read_with: {written}}}"
    text = f"deployments: {{a: {{tier: production, store: 'file:///b', server: {server}}}}}"
    (deployment,) = read_deployments(text).deployments.values()
    assert deployment.server.read_with == way


def _only(lines: str) -> str:
    return f"deployments:\n  a:\n    server: {{url: http://h}}\n    store: file:///b\n    {lines}\n"


@pytest.mark.parametrize(
    ("said", "way"), [("", None), (", read_with: auto", None), (", read_with: backup-api", ReadWay.BACKUP_API)]
)
def test_the_way_to_read_is_the_best_there_is_unless_one_is_named(said, way) -> None:
    loaded = read_deployments(_tried(f"server: {{url: http://localhost:15002{said}}}"))
    assert loaded.deployments["tried"].server.read_with is way


def test_a_way_to_read_nobody_knows_is_a_problem_that_names_the_ways() -> None:
    loaded = read_deployments(_tried("server: {url: http://localhost:15002, read_with: telepathy}"))
    assert "server.read_with" in loaded.problems["tried"]
    assert "'graphql'" in loaded.problems["tried"]
