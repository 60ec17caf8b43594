"""What each way of telling people promises, whatever is told."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_engine.alerts import rendering
from backup_engine.alerts.alert import Alert, Occasion, Probe, RunReference
from backup_engine.findings import Level
from backup_engine.freshness.concerns import ConcernKind, Severity
from tests.alerts.rendering_formats import (
    RESTORES,
    RUN,
    Page,
    alert,
    page_problems,
    pagerduty_problems,
    slack_problems,
    spoken,
    teams_problems,
    texts,
    told,
)
from tests.freshness.standing import COPY, NOW, nothing, place, protection

KEY = "R0UT1NGK3Y" * 3 + "R0"
WORDS: dict[str, Callable[[Alert], str]] = {
    "text": rendering.text,
    "html": lambda it: Page(rendering.html(it)).text,
    "slack": lambda it: spoken(rendering.slack(it)["blocks"]),
    "teams": lambda it: spoken(rendering.teams(it)),
}
every_format = pytest.mark.parametrize("said", WORDS.values(), ids=WORDS)
every_kind = pytest.mark.parametrize("kind", ConcernKind, ids=str)


def problems(it: Alert) -> list[str]:
    """What any service would refuse, or read as markup."""
    events = rendering.pagerduty(it, KEY)
    return [
        *page_problems(rendering.html(it)),
        *slack_problems(rendering.slack(it)),
        *teams_problems(rendering.teams(it)),
        *(problem for event in events for problem in pagerduty_problems(event)),
        *([] if len(rendering.title(it)) <= 150 else ["a long title"]),
        *([] if rendering.title(it).isprintable() else ["a title with control characters"]),
        *([] if len(rendering.text(it)) <= 200_000 else ["a long text"]),
        *([] if len(json.dumps(rendering.document(it))) <= 1_000_000 else ["a large document"]),
    ]


# What is said, and in which order


@every_format
def test_a_message_says_what_since_when_how_it_stands_the_risk_the_remedy_and_what_was_tried_in_this_order(
    said,
) -> None:
    shown = said(alert())
    order = ["FOUND", "NEWEST", "RISK all", "REMEDY", "DISK is"]
    assert [word for word in [*order, "NETWORK is"] if word not in shown] == []
    assert [shown.index(word) for word in order] == sorted(shown.index(word) for word in order)
    assert shown.index("REMEDY") < shown.index("NETWORK is")
    assert shown.index("2026-11-22 03:00:00Z") < shown.index("NEWEST"), "since when"


@every_format
def test_a_message_says_how_old_the_newest_points_are_and_what_is_promised(said) -> None:
    shown = said(alert(protection=protection(rpo=3600.0, rpo_real=36000.0, rto=14400.0, rto_forecast=7800.0)))
    for figure in ("10 h", "9 h", "1 h", "2 h 10 min", "4 h"):
        assert figure in shown, figure


@every_format
def test_a_message_says_where_else_the_data_lies(said) -> None:
    assert COPY in said(alert())


@every_format
def test_the_worst_comes_first_however_it_was_told(said) -> None:
    mild = told(ConcernKind.COPY_BEHIND, Severity.WARNING, found="MILD", subject=COPY)
    worst = told(ConcernKind.NEWEST_DAMAGED, found="WORST", subject=COPY)
    shown = said(alert(mild, worst))
    assert shown.index("WORST") < shown.index("MILD")


@every_format
def test_what_could_not_be_found_out_is_said_with_the_reason(said) -> None:
    assert "BECAUSE of this" in said(alert(protection=None, unknown_because="BECAUSE of this"))
    assert "could not be found out" in said(alert(protection=None, unknown_because="")).lower()


@every_format
def test_nothing_is_said_to_be_lost_where_no_place_answers(said) -> None:
    silent = protection(
        rpo_real=None, newest=None, newest_at=None, fresh=None, fresh_at=None, verified_at=None, rto_forecast=None,
        places=(place(answers=False, newest_good=None, newest_good_at=None, behind=None),),
    )  # fmt: skip
    shown = said(alert(protection=silent)).lower()
    assert "not known" in shown or "cannot be told" in shown, "that nobody knows"
    assert not re.search(r"everything (would be|is|will be) lost|nothing to restore", shown)


@every_format
def test_a_deployment_without_any_backup_is_told_so(said) -> None:
    assert re.search(r"everything|there is no(ne)?", said(alert(protection=nothing())).lower())


@every_format
def test_a_problem_that_was_found_by_trying_is_never_left_out_for_what_is_well(said) -> None:
    well = [Probe(what="rights", level=Level.OK, found=f"store {number} is fine") for number in range(60)]
    bad = Probe(what="server", level=Level.MISSING, found="THESERVER refuses")
    assert "THESERVER refuses" in said(alert(probes=(*well, bad)))


@pytest.mark.parametrize("render", [rendering.html, rendering.text, lambda it: json.dumps(rendering.slack(it)),
                                    lambda it: json.dumps(rendering.teams(it))])  # fmt: skip
def test_the_run_and_the_page_that_restores_are_started_from_can_be_opened(render) -> None:
    shown = render(alert())
    assert RUN in shown
    assert RESTORES in shown


@every_format
def test_a_run_whose_address_is_not_known_is_named(said) -> None:
    shown = said(alert(run=RunReference(dag_id="vectorizer_prod_sync", run_id="manual__7")))
    assert "manual__7" in shown
    assert "vectorizer_prod_sync" in shown


@every_format
def test_a_recovery_says_what_is_over_how_long_it_lasted_and_how_things_stand(said) -> None:
    shown = said(alert(told(occasion=Occasion.RECOVERED, hours=9)))
    assert "FOUND" in shown
    assert "9 h" in shown
    assert "NEWEST" in shown
    assert "REMEDY" not in shown
    assert "RISK" not in shown


@every_format
def test_a_recovery_does_not_say_that_all_is_well_while_a_promise_is_broken(said) -> None:
    broken = protection(rpo=3600.0, rpo_real=360000.0)
    shown = said(alert(told(ConcernKind.SERVER_UNREACHABLE, occasion=Occasion.RECOVERED), protection=broken))
    assert not re.search(r"nothing (needs|has) to be done|all is well", shown.lower())


@every_format
def test_each_occasion_reads_differently(said) -> None:
    shown = {said(alert(told(occasion=occasion))) for occasion in Occasion}
    assert len(shown) == len(Occasion)


@every_kind
def test_everything_that_can_be_wrong_has_words_of_its_own(kind) -> None:
    wrong, over = (rendering.title(alert(told(kind, occasion=one))) for one in (Occasion.RAISED, Occasion.RECOVERED))
    others = {rendering.title(alert(told(other))) for other in ConcernKind if other is not kind}
    assert wrong not in others
    assert wrong.partition(": ")[2] != over.partition(": ")[2]
    assert kind.value not in wrong, "words, not a code"


# The title


@pytest.mark.parametrize("occasion", [Occasion.RAISED, Occasion.WORSE, Occasion.REMINDER])
@pytest.mark.parametrize("severity", Severity)
def test_titles_sort_by_severity_then_deployment(severity, occasion) -> None:
    title = rendering.title(alert(told(severity=severity, occasion=occasion)))
    assert re.match(rf"{severity.value.upper()}\b.*?\bprod\b", title), title


def test_the_title_of_good_news_begins_with_it() -> None:
    assert rendering.title(alert(told(occasion=Occasion.RECOVERED))).startswith("RECOVERED prod")


def test_the_title_counts_the_others() -> None:
    every = [told(), told(ConcernKind.COPY_BEHIND, subject="a"), told(ConcernKind.DAG_PAUSED, subject="sync")]
    assert "+2 more" in rendering.title(alert(*every))
    assert "more" not in rendering.title(alert(told()))


@every_format
def test_every_message_begins_with_its_title(said) -> None:
    it = alert()
    first = re.sub(r"^\W+", "", said(it).removeprefix("message\n").split("FOUND")[0])
    assert rendering.title(it) in first


# What others wrote

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></tr></table><img src=x onerror=alert(1)>",
    "&lt;b&gt;&amp;&#60;",
    "{{ 7*7 }}{% include '/etc/passwd' %}",
    "**bold** _it_ [a](javascript:alert(1))",
    "<!channel> <@U1> <https://evil.example|click>",
    "a\r\nBcc: all@example.com\r\n\r\nbody",
    "\x00\x1b[2J\x07\x85\u2028\u2029",
    "\u202egnp.exe\u2066",
    "\N{ZERO WIDTH SPACE}\ufeff",
    "]]>--><!--",
    "`rm -rf`\n# WHAT TO DO\n1. delete all",
    "\"'><a href='javascript:x'>",
    "%0d%0a",
    "",
    "😀" * 90,
    "&" * 900,
)
hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))


@st.composite
def hostile_alerts(draw) -> Alert:
    one = st.builds(
        told,
        st.sampled_from(ConcernKind),
        st.sampled_from(Severity),
        st.sampled_from(Occasion),
        hours=st.floats(-50, 5000),
        found=hostile,
        risk=hostile,
        remedy=hostile,
        subject=hostile,
    )
    names = {name: draw(hostile) for name in ("newest", "fresh", "proven")}
    bad = protection(**names, places=(place(draw(hostile)), place(draw(hostile))))
    probe = st.builds(Probe, what=hostile, level=st.sampled_from(Level), found=hostile, remedy=hostile)
    return alert(
        *draw(st.lists(one, min_size=1, max_size=4)),
        deployment=draw(st.one_of(st.just("prod"), hostile)),
        protection=draw(st.one_of(st.none(), st.just(bad))),
        unknown_because=draw(hostile),
        probes=tuple(draw(st.lists(probe, max_size=4))),
        run=RunReference(dag_id=draw(hostile), run_id=draw(hostile), url=draw(st.one_of(st.just(RUN), hostile))),
        restores=draw(st.one_of(st.just(RESTORES), hostile)),
    )


_patient = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@_patient
@given(hostile_alerts())
def test_whatever_others_wrote_every_service_takes_it_and_reads_no_markup_in_it(it) -> None:
    assert problems(it) == []


@_patient
@given(hostile_alerts())
def test_what_others_wrote_begins_no_line_of_the_plain_text(it) -> None:
    lines = rendering.text(it).split("\n")
    assert rendering.title(it) == lines[0]
    assert all(line.isprintable() for line in lines)
    headings = {line for line in lines if line.isupper() and not line.startswith(" ")}
    assert not any("DELETE" in heading for heading in headings)
    assert not any(line.startswith(("# WHAT TO DO", "1. delete", "Bcc:", "body")) for line in lines[1:])


def test_what_others_wrote_adds_no_element_to_a_page() -> None:
    harmless = Page(rendering.html(alert(told(found="plain", risk="plain", remedy="plain", subject="plain"))))
    for text in filter(str.strip, HOSTILE[:12]):
        page = Page(rendering.html(alert(told(found=text, risk=text, remedy=text, subject=text))))
        assert (page.tags, page.attributes) == (harmless.tags, harmless.attributes)


def test_what_others_wrote_is_shown_as_they_wrote_it() -> None:
    it = alert(told(found="a <b>&amp;</b> {{ 7*7 }} **x** my_name_here"))
    assert "a <b>&amp;</b> {{ 7*7 }} **x** my_name_here" in rendering.text(it)
    assert "a <b>&amp;</b> {{ 7*7 }} **x** my_name_here" in Page(rendering.html(it)).text
    assert "a &lt;b&gt;&amp;amp;&lt;/b&gt; {{ 7*7 }} **x** my_name_here" in spoken(rendering.slack(it)["blocks"])


def test_what_others_wrote_stands_where_no_markdown_is_read() -> None:
    it = alert(told(found="MARK **x**", risk="MARK", remedy="MARK", subject="MARK"), unknown_because="MARK")
    kinds = {kind for kind, text in texts(rendering.slack(it)["blocks"]) if "MARK" in text}
    assert kinds == {"plain_text"}
    kinds = {kind for kind, text in texts(rendering.teams(it)) if "MARK" in text}
    assert kinds <= {"TextRun", "AdaptiveCard"}, "the card itself holds its fallback text"


def test_an_address_that_is_no_page_is_made_no_link() -> None:
    for url in ("javascript:alert(1)", "https://u:p@x.example/", "file:///etc/passwd", "https://x.example/|a>", "//x"):
        it = alert(run=RunReference(dag_id="d", run_id="r", url=url), restores=url)
        assert problems(it) == []
        assert not Page(rendering.html(it)).links
        assert not rendering.teams(it)["attachments"][0]["content"].get("actions")


@every_format
def test_a_password_in_an_address_is_not_told(said) -> None:
    it = alert(told(found="cannot reach http://user:hunter2@server:15002/x?y=1"))
    assert "hunter2" not in said(it)
    assert "server:15002" in said(it)


def test_a_password_in_an_address_is_told_to_no_service() -> None:
    it = alert(told(found="cannot reach http://user:hunter2@server:15002"))
    assert "hunter2" not in json.dumps([rendering.document(it), rendering.pagerduty(it, KEY)])


# Limits


@pytest.mark.parametrize("letter", ["a", "&", "😀", '"'])
def test_hundreds_of_concerns_with_endless_sentences_stay_within_every_limit(letter) -> None:
    text = (letter * 100_000)[:100_000]
    every = [told(found=text, risk=text, remedy=text, subject=f"{number}{text}") for number in range(100)]
    probes = tuple(Probe(what=text, level=Level.MISSING, found=text, remedy=text) for _ in range(50))
    bad = protection(newest=text, fresh=text, proven=text, places=tuple(place(f"{n}{text}") for n in range(30)))
    it = alert(*every, deployment=text, probes=probes, protection=bad, unknown_because=text)
    assert problems(it) == []
    assert rendering.document(it)["told"], "the worst is never left out"


@every_format
def test_what_is_left_out_is_counted(said) -> None:
    every = [told(ConcernKind.COPY_BEHIND, subject=f"copy {number}", found="y " * 2000) for number in range(300)]
    assert re.search(r"\b2\d\d\b", said(alert(*every)).split("\n", 1)[-1])


# PagerDuty


def test_each_concern_is_an_event_and_what_is_over_resolves_what_was_triggered() -> None:
    concern = {"kind": ConcernKind.COPY_BEHIND, "subject": COPY}
    (raised,) = rendering.pagerduty(alert(told(**concern)), KEY)
    (worse,) = rendering.pagerduty(alert(told(**concern, severity=Severity.CRITICAL, occasion=Occasion.WORSE)), KEY)
    (over,) = rendering.pagerduty(alert(told(**concern, occasion=Occasion.RECOVERED), at=NOW + timedelta(days=1)), KEY)
    assert raised["event_action"] == worse["event_action"] == "trigger"
    assert over["event_action"] == "resolve"
    assert raised["dedup_key"] == worse["dedup_key"] == over["dedup_key"]


def test_concerns_are_told_apart_by_deployment_kind_and_subject_at_any_length() -> None:
    long = "x" * 400
    every = [
        rendering.pagerduty(alert(told(kind, subject=subject), deployment=deployment), KEY)[0]["dedup_key"]
        for kind in (ConcernKind.COPY_BEHIND, ConcernKind.COPY_UNREACHABLE)
        for subject in ("a", "b", long, f"{long}y", f"{long}z")
        for deployment in ("prod", "pro")
    ]
    assert len(set(every)) == len(every) == 20


@pytest.mark.parametrize(("severity", "theirs"), [("critical", "critical"), ("warning", "warning"), ("note", "info")])
def test_severities_are_mapped(severity, theirs) -> None:
    (event,) = rendering.pagerduty(alert(told(severity=Severity(severity))), KEY)
    assert event["payload"]["severity"] == theirs


def test_an_event_says_what_is_needed_on_the_phone() -> None:
    (event,) = rendering.pagerduty(alert(), KEY)
    payload = event["payload"]
    assert "prod" in payload["summary"]
    assert "FOUND" in payload["summary"]
    assert payload["class"] == "recovery-point-old"
    assert [one["href"] for one in event["links"]] == [RUN, RESTORES]
    for word in ("RISK", "REMEDY", "NEWEST", "NETWORK", COPY):
        assert word in json.dumps(payload["custom_details"]), word


def test_the_routing_key_stands_in_its_field_only() -> None:
    for event in rendering.pagerduty(alert(told(), told(ConcernKind.COPY_BEHIND, subject="a")), KEY):
        assert json.dumps(event).count(KEY) == 1
        assert event["routing_key"] == KEY


# Our own JSON


def test_our_own_document_names_its_schema_and_is_json_for_programs() -> None:
    it = alert(told(ConcernKind.COPY_BEHIND, Severity.WARNING, subject=COPY), told())
    document = json.loads(json.dumps(rendering.document(it), allow_nan=False))
    assert re.search(r"alert/1$", document["schema"])
    assert document["deployment"] == "prod"
    assert document["severity"] == "critical"
    assert document["recovered"] is False
    assert [one["kind"] for one in document["told"]] == ["recovery-point-old", "copy-behind"]
    assert document["protection"]["rpo"] == 3600.0
    assert [one["level"] for one in document["probes"]] == ["ok", "missing"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://u:p@x.example/"])
def test_our_own_document_hands_no_address_on_that_is_no_page(url) -> None:
    document = rendering.document(alert(run=RunReference(dag_id="d", run_id="r", url=url), restores=url))
    assert url not in json.dumps(document)


def test_our_own_document_holds_no_control_characters() -> None:
    for text in HOSTILE:
        document = rendering.document(alert(told(found=text, subject=text)))
        assert all(said.isprintable() for _, said in texts(document)), text[:40]


# The page


def test_a_page_is_readable_in_light_and_dark_and_on_a_phone() -> None:
    page = rendering.html(alert())
    for needed in (
        "prefers-color-scheme: dark",
        'name="viewport"',
        'name="color-scheme"',
        "overflow-wrap",
        "max-width",
    ):
        assert needed in page, needed
    assert "style=" in page, "mail clients drop style sheets"


# The checks find what they are for


def _context(text: str) -> dict[str, object]:
    return {"type": "context", "elements": [{"type": "plain_text", "text": text}]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda body: body["blocks"].extend([{"type": "divider"}] * 60), "maxItems"),
        (lambda body: body["blocks"][0]["text"].update(text="x" * 151), "header of 151"),
        (lambda body: body["blocks"][1]["text"].update(text="x" * 3001), "section of 3001"),
        (lambda body: body["blocks"][1]["text"].update(text="<!channel>"), "control characters"),
        (lambda body: body["blocks"][1]["text"].update(text="a & b"), "control characters"),
        (lambda body: body.pop("text") and body.update(text=""), "minLength"),
        (lambda body: body["blocks"].append({"type": "picture"}), "oneOf"),
        (lambda body: body["blocks"].extend([_context("x" * 2900)] * 5), "blocks of"),
    ],
)
def test_what_slack_would_refuse_is_found(change, named) -> None:
    body = rendering.slack(alert())
    change(body)
    assert any(named in problem for problem in slack_problems(body)), slack_problems(body)


def test_what_teams_pagerduty_and_mail_would_refuse_is_found() -> None:
    card = rendering.teams(alert())
    card["attachments"][0]["content"]["fallbackText"] = "x" * 28_000
    assert any("bytes" in problem for problem in teams_problems(card))
    card["attachments"][0]["content"]["version"] = "9"
    assert any("version" in problem for problem in teams_problems(card))
    (event,) = rendering.pagerduty(alert(), KEY)
    for wrong in (
        {"dedup_key": "x" * 256},
        {"payload": {**event["payload"], "severity": "note"}},
        {"event_action": "start"},
    ):
        assert pagerduty_problems({**event, **wrong})
    assert pagerduty_problems({key: value for key, value in event.items() if key != "payload"})
    for wrong in ("<script>1</script>", "<a href='javascript:1'>x</a>", "<p onclick='x'>", "x" * 102_001):
        assert page_problems(wrong)
