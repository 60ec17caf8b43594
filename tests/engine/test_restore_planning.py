"""A restore plan says beforehand what will happen and everything that speaks against it; making it touches nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupState, LeftOut, Standing, Window
from backup_engine.errors import InvalidInput, RestoreRefused, UnexpectedAnswer, UnknownCollection, Unsupported
from backup_engine.model import CollectionState, Metric, Quantization, ServerFacts
from backup_engine.restore.description import NOT_COVERED, describe
from backup_engine.restore.names import aside_name, before_name
from backup_engine.restore.plan import Action, raise_refusals
from backup_engine.restore.planning import DEFAULT_RATE, plan_restore, preview_restore
from backup_engine.restore.request import RestoreMode
from backup_engine.restore.view import ServerView
from tests.archive.builder import NOON
from tests.engine.captures import Time
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import ID, backup_of, planned, request, with_private, with_summary
from tests.engine.samples import configuration
from tests.tables import squeezed

NEW, MERGE, REPLACE = RestoreMode.NEW, RestoreMode.MERGE, RestoreMode.REPLACE
READS = {"facts", "collections", "aliases", "configuration", "page"}


@pytest.fixture
def server():
    made = MemoryServer(clock=Time())
    made.fill("docs", 30)
    made.fill("notes", 12, metric=Metric.EUCLIDEAN)
    return made


@pytest.fixture
def built(server):
    return backup_of(server)


def empty_server(**more):
    return MemoryServer(clock=Time(), **more)


def texts(plan) -> str:
    return "\n".join(refusal.text for refusal in plan.refusals)


def test_planning_and_describing_write_nothing(server, built):
    before = {name: server.content(name) for name in server.live}
    for mode in RestoreMode:
        describe(planned(built, server, mode))
    assert {method for method, _ in server.calls} <= READS
    assert {name: server.content(name) for name in server.live} == before


def test_to_an_empty_server_everything_is_created_aside(built):
    plan = planned(built, empty_server())
    raise_refusals(plan)
    assert [(item.source, item.target, item.action, item.vectors, item.vectors_now) for item in plan.collections] == [
        ("docs", "docs", Action.CREATE, 30, None),
        ("notes", "notes", Action.CREATE, 12, None),
    ]
    assert [item.aside for item in plan.collections] == [aside_name("docs", ID), aside_name("notes", ID)]
    assert {item.before for item in plan.collections} == {None}
    assert not plan.replaces


def test_time_is_vectors_by_the_servers_rate(built):
    plan = planned(built, empty_server())
    assert plan.seconds == pytest.approx(42 / DEFAULT_RATE)
    faster = preview_restore(request(), built.sidecar.manifest, empty_server(), rate=600)
    assert faster.seconds == pytest.approx(42 / 600)


def test_new_refuses_every_name_that_exists_at_once(server, built):
    plan = planned(built, server)
    assert len(plan.refusals) == 2
    with pytest.raises(RestoreRefused, match=r"'docs' exists \(30 vectors\).*'notes' exists"):
        raise_refusals(plan)


def test_new_refuses_a_name_that_is_an_alias(built):
    server = empty_server()
    server.fill("other", 3)
    server.create_alias("docs", "other")
    assert "'docs' is an alias of 'other'" in texts(planned(built, server, NEW))
    assert "'docs' is an alias of 'other'" in texts(planned(built, server, REPLACE))
    assert "'docs' is an alias of 'other'" in texts(planned(built, server, MERGE))


def test_replace_says_what_there_is_now_and_what_it_will_be_called(server, built):
    server.fill("docs", 7, first=100)
    plan = planned(built, server, REPLACE, collections=("docs",))
    [item] = plan.collections
    assert (item.action, item.vectors, item.vectors_now) == (Action.REPLACE, 30, 37)
    assert (item.aside, item.before) == (aside_name("docs", ID), before_name("docs", ID))
    assert plan.untouched == ("notes",)
    assert plan.replaces
    shown = describe(plan)
    assert "| docs | 37 | 30 | -7 |" in squeezed(shown)
    assert before_name("docs", ID) in shown


def test_replace_creates_what_is_not_there(built):
    plan = planned(built, empty_server(), REPLACE)
    assert {item.action for item in plan.collections} == {Action.CREATE}
    assert not plan.replaces


def test_merge_writes_into_what_is_there_and_creates_the_rest(server, built):
    server.drop("notes")
    actions = {item.target: (item.action, item.aside) for item in planned(built, server, MERGE).collections}
    assert actions == {"docs": (Action.MERGE, None), "notes": (Action.CREATE, aside_name("notes", ID))}


@pytest.mark.parametrize("difference", [{"dimension": 9}, {"metric": Metric.DOT}])
def test_merge_needs_equal_dimension_and_metric(built, difference):
    server = empty_server()
    server.fill("docs", 3, **({"metric": Metric.COSINE} | difference))
    plan = planned(built, server, MERGE, collections=("docs",))
    with pytest.raises(RestoreRefused, match="dimensions and metric"):
        raise_refusals(plan)


def test_a_collection_that_the_server_could_not_load_is_replaced_and_not_merged_into(built):
    class Lame(MemoryServer):
        def collections(self):
            return tuple(state.model_copy(update={"dimension": 0, "vectors": 0}) for state in super().collections())

    server = Lame(clock=Time())
    server.fill("docs", 3)
    server.broken["docs"] = UnexpectedAnswer("docs: error")
    raise_refusals(planned(built, server, REPLACE, collections=("docs",)))
    assert "could not load 'docs'" in texts(planned(built, server, MERGE, collections=("docs",)))


def test_merge_says_when_the_server_keeps_another_precision(built):
    server = empty_server(provider_dimension=8)
    server.fill("docs", 3, quantization=Quantization.NONE)
    [item] = planned(built, server, MERGE, collections=("docs",)).collections
    assert any("is kept as none on the server, was kept as sq8" in warning for warning in item.warnings)


def test_unknown_collections_are_refused_with_what_there_is(built):
    plan = planned(built, empty_server(), collections=("docs", "dogs", "nodes"))
    with pytest.raises(UnknownCollection, match=r"does not hold 'dogs', 'nodes'; it holds: 'docs', 'notes'"):
        raise_refusals(plan)


def test_a_filter_that_names_nothing_is_an_error(built):
    with pytest.raises(InvalidInput, match="no collection is named"):
        raise_refusals(planned(built, empty_server(), collections=()))


def test_a_backup_that_holds_nothing_restores_nothing(server):
    nothing = backup_of(server, "no such name")
    with pytest.raises(RestoreRefused, match="no collection to restore"):
        raise_refusals(planned(nothing, empty_server()))


def test_renaming_takes_the_new_name_and_refuses_clashes(server, built):
    plan = planned(built, server, rename={"docs": "docs2"}, collections=("docs",))
    raise_refusals(plan)
    assert [(item.source, item.target) for item in plan.collections] == [("docs", "docs2")]
    both = planned(built, empty_server(), rename={"docs": "notes"})
    with pytest.raises(InvalidInput, match=r"'docs', 'notes' would all be restored to 'notes'"):
        raise_refusals(both)
    stray = planned(built, empty_server(), collections=("docs",), rename={"notes": "x"})
    with pytest.raises(UnknownCollection, match=r"'notes' is to be renamed"):
        raise_refusals(stray)


def test_swapping_two_names_is_no_clash(built):
    raise_refusals(planned(built, empty_server(), rename={"docs": "notes", "notes": "docs"}))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../b", "a\nb", "\x00", aside_name("x", ID), before_name("x", ID)]
)
def test_names_that_no_collection_may_have_are_refused(built, name):
    with pytest.raises(InvalidInput):
        raise_refusals(planned(built, empty_server(), collections=("docs",), rename={"docs": name}))


@pytest.mark.parametrize("name", ["empty", "cleanup", "a/b", "ünï", "with space", "pct%20", "...", "x" * 200])
def test_odd_names_are_fine(built, name):
    raise_refusals(planned(built, empty_server(), collections=("docs",), rename={"docs": name}))


def test_a_replica_takes_no_restore(built):
    view = ServerView(ServerFacts(url="http://replica", version="3.5.0", role="Replica"), {}, {})
    assert "replica" in texts(plan_restore(request(), built.sidecar.manifest, view))


def test_a_server_that_cannot_rename_replaces_nothing_and_says_what_else_to_do(server, built):
    server.version = "3.2.4"
    with pytest.raises(Unsupported, match=r"3\.2\.4 cannot rename collections.*mode merge.*mode new"):
        raise_refusals(planned(built, server, REPLACE))
    server.drop("docs")
    plan = planned(built, server, collections=("docs",))
    raise_refusals(plan)
    assert plan.collections[0].aside is None
    assert any("readers see it while it is being loaded" in warning for warning in plan.collections[0].warnings)


@pytest.mark.parametrize("name", ["a/b", " blank", "blank "])
def test_a_name_that_the_server_does_not_rename_to_is_created_in_place_and_never_replaced(built, name):
    server = empty_server()
    plan = planned(built, server, collections=("docs",), rename={"docs": name})
    raise_refusals(plan)
    assert plan.collections[0].aside is None
    server.fill(name, 3)
    with pytest.raises(Unsupported, match=r"slash.*mode merge.*mode new"):
        raise_refusals(planned(built, server, REPLACE, collections=("docs",), rename={"docs": name}))


@pytest.mark.parametrize(
    ("version", "can"),
    [("3.3.0", True), ("3.2.9", False), ("1.8.6", False), ("10.0.1", True), ("3.5.0-fastembed", True)],
)
def test_which_versions_rename(version, can):
    assert ServerView(ServerFacts(url="u", version=version), {}, {}).can_rename is can


def test_floats_that_the_server_would_quantize_are_refused_unless_allowed():
    source = empty_server(provider_dimension=8)
    source.fill("raw", 5, quantization=Quantization.NONE)
    built, target = backup_of(source), empty_server(provider_dimension=512)
    with pytest.raises(Unsupported, match=r"8 dimensions.*\(512\).*allow quantization"):
        raise_refusals(planned(built, target))
    plan = planned(built, target, allow_quantization=True)
    raise_refusals(plan)
    assert plan.collections[0].configuration.quantization is Quantization.SQ8
    assert any("makes SQ8 of it" in warning for warning in plan.collections[0].warnings)
    kept = planned(built, source, rename={"raw": "raw2"})
    raise_refusals(kept)
    assert kept.collections[0].configuration.quantization is Quantization.NONE


def test_an_incomplete_collection_replaces_nothing_unless_allowed(server, built):
    short = with_summary(built, standing=Standing.INCOMPLETE, counted=40)
    plan = planned(short, server, REPLACE)
    with pytest.raises(RestoreRefused, match=r"'docs' is incomplete in the backup \(30 of 40 vectors\)"):
        raise_refusals(plan)
    raise_refusals(planned(short, server, REPLACE, allow_incomplete=True))
    new = planned(short, empty_server())
    raise_refusals(new)
    assert any("incomplete" in warning for warning in new.collections[0].warnings)


def test_an_unreadable_collection_is_refused_by_name_and_left_out_otherwise(built):
    unreadable = with_summary(built, standing=Standing.UNREADABLE)
    with pytest.raises(RestoreRefused, match="could not be read"):
        raise_refusals(planned(unreadable, empty_server(), collections=("docs",)))
    plan = planned(unreadable, empty_server())
    raise_refusals(plan)
    assert [item.source for item in plan.collections] == ["notes"]
    assert [out.name for out in plan.not_restored] == ["docs"]


def test_what_the_backup_left_out_is_said(built):
    gaps = with_private(built, left_out=(LeftOut(name="scratch", reason="excluded"),), dropped=("gone",))
    plan = planned(gaps, empty_server())
    assert {out.name: out.reason for out in plan.not_restored} == {
        "scratch": "excluded",
        "gone": "dropped while the backup was made",
    }


def test_a_backup_that_is_not_good_is_restorable_with_a_warning(built):
    clear = built.sidecar.manifest.clear.model_copy(update={"state": BackupState.SUSPECT})
    manifest = built.sidecar.manifest.model_copy(update={"clear": clear})
    plan = preview_restore(request(), manifest, empty_server())
    raise_refusals(plan)
    assert any("suspect" in warning for warning in plan.warnings)


def test_irregular_records_and_fuzzy_collections_are_said(built):
    window = Window(started_at=NOON, ended_at=NOON, lowest=29, highest=31)
    fuzzy = with_summary(built, standing=Standing.FUZZY, window=window)
    first, second = fuzzy.sidecar.manifest.private.collections
    first = first.model_copy(update={"irregular": ("r1", "r2"), "irregular_count": 2})
    plan = planned(with_private(fuzzy, collections=(first, second)), empty_server())
    assert (plan.collections[0].vectors, plan.collections[0].left_behind) == (28, 2)
    assert any(
        "2 records cannot be put back" in warning and "'r1', 'r2'" in warning
        for warning in plan.collections[0].warnings
    )
    assert any("was written to while it was read" in warning for warning in plan.collections[0].warnings)


def test_a_young_server_is_said_to_be_perhaps_still_loading(built):
    clock = Time()
    server = MemoryServer(clock=clock)
    assert any("may still be loading" in warning for warning in planned(built, server).warnings)
    clock.pass_by(hours=1)
    assert planned(built, server).warnings == ()


def test_another_restore_that_stopped_between_its_renames_comes_first(server, built):
    other = before_name("docs", "ba9876543210")
    server.rename_collection("docs", other)
    server.delete_alias("docs")
    for mode in RestoreMode:
        assert "resume or release ba9876543210 first" in texts(planned(built, server, mode, collections=("docs",)))


def test_recorded_aliases_are_made_again_where_the_name_is_free(server):
    aliases = {"prod": "docs", "taken": "docs", "busy": "docs", "other": "elsewhere"}
    built = backup_of(server, aliases=aliases)
    target = empty_server()
    target.fill("taken", 1)
    target.create_alias("busy", "taken")
    plan = planned(built, target)
    assert plan.aliases == {"prod": "docs"}
    assert sorted(warning.split("'")[1] for warning in plan.warnings if "alias" in warning) == ["busy", "taken"]
    renamed = planned(built, target, rename={"docs": "docs2"})
    assert renamed.aliases == {}
    assert any("'prod' of 'docs' is not made again" in warning for warning in renamed.warnings)


def test_aliases_of_a_replaced_collection_go_on_standing_for_it(server, built):
    server.create_alias("prod", "docs")
    assert planned(built, server, REPLACE).aliases == {"prod": "docs"}
    assert planned(built, server, REPLACE, collections=("notes",)).aliases == {}


def test_the_description_has_everything_that_an_approval_needs(server, built):
    server.fill("docs", 70, first=100)
    plan = planned(built, server, REPLACE, collections=("docs",))
    shown = describe(plan)
    for part in (
        ID,
        "backup-20261122",
        "2026-11-22 12:00:00Z",
        "memory://server",
        "3.5.0",
        "replace",
        "30 vectors",
        "100 vectors",
    ):
        assert part in shown
    assert NOT_COVERED in shown
    assert "notes" in shown
    assert "-70" in shown
    assert "holds both copies: about" in shown


def test_a_refused_plan_says_so_first():
    server = empty_server()
    server.fill("docs", 2)
    plan = planned(backup_of(server), server)
    assert describe(plan).index("Refused") < describe(plan).index("Together")


def test_a_hostile_name_stays_inside_its_table_cell(server):
    server.fill("<img src=x>|\n# heading", 1)
    shown = describe(planned(backup_of(server), empty_server()))
    assert "<img" not in shown
    assert "\n# heading" not in shown


NAMES = st.sampled_from(["a", "b", "c", "d", aside_name("a", ID), before_name("b", "f" * 12)])


@settings(max_examples=200, deadline=None)
@given(
    mode=st.sampled_from(list(RestoreMode)),
    chosen=st.none() | st.lists(NAMES, max_size=3).map(tuple),
    rename=st.dictionaries(NAMES, NAMES, max_size=3),
    there=st.sets(NAMES),
    aliases=st.dictionaries(NAMES, NAMES, max_size=2),
    version=st.sampled_from(["3.5.0", "3.2.0"]),
)
def test_a_plan_without_refusals_never_touches_what_its_mode_leaves_alone(
    mode, chosen, rename, there, aliases, version
):
    source = empty_server()
    for name in ("a", "b", "c"):
        source.fill(name, 2)
    manifest = backup_of(source).sidecar.manifest
    states = {name: CollectionState(name=name, vectors=5, dimension=8, created_at="", updated_at="") for name in there}
    view = ServerView(ServerFacts(url="u", version=version), states, aliases, {name: configuration() for name in there})
    plan = plan_restore(request(mode, collections=chosen, rename=rename), manifest, view)
    assert plan == plan_restore(request(mode, collections=chosen, rename=rename), manifest, view)
    if plan.refusals:
        with pytest.raises((RestoreRefused, InvalidInput, Unsupported)):
            raise_refusals(plan)
        return
    targets = [item.target for item in plan.collections]
    assert plan.collections
    assert len(set(targets)) == len(targets)
    assert set(plan.untouched) == there - set(targets)
    for item in plan.collections:
        assert (item.action is Action.CREATE) == (item.target not in there)
        assert (item.vectors_now is None) == (item.target not in there)
        assert (item.before is not None) == (item.action is Action.REPLACE)
        assert item.action is not Action.REPLACE or mode is REPLACE
        assert item.action is not Action.MERGE or mode is MERGE
        assert {item.aside, item.before}.isdisjoint(there)
