"""The server's own backup API, and that nothing it says is believed without counting."""

import hashlib
import json

import pytest
from werkzeug import Response

from backup_engine.errors import (
    ComparisonFailed,
    InvalidInput,
    NothingToBackUp,
    RestoreRefused,
    ServerFault,
    ServerUnavailable,
    UnexpectedAnswer,
    UnknownBackup,
    UnknownCollection,
    Unsupported,
)
from backup_engine.model import ReadWay
from backup_engine.vectorizer.server import VectorizerServer
from tests.engine.captures import Time, capture, new_store, only_backup, stored_content
from tests.vectorizer.backed_up import DETAILS, RECORDS, BackedUp


@pytest.fixture
def fake(httpserver) -> BackedUp:
    return BackedUp(httpserver)


@pytest.fixture
def api(client):
    return VectorizerServer(client).backup_api


SHORT = {"vectors": RECORDS[:2], "dimension": 2, "metric": "Euclidean"}
EMPTY = {"vectors": [], "dimension": 2, "metric": "Euclidean"}


def test_a_server_backup_is_made_by_name_and_counted(fake, api):
    made = api.create("nightly", ["docs", "docs"])
    assert fake.asked == [{"name": "nightly", "collections": ["docs"]}]
    assert (made.name, made.collections, made.vectors) == ("nightly", ("docs",), {"docs": 3})
    assert api.backups() == (made,)


@pytest.mark.parametrize(("name", "collections"), [("nightly", []), ("", ["docs"])])
def test_what_would_make_an_empty_server_backup_is_never_sent(fake, api, name, collections):
    with pytest.raises(InvalidInput, match="needs a name, and the name of each collection"):
        api.create(name, collections)
    assert fake.asked == []


def test_a_collection_that_the_server_would_leave_out_in_silence_is_refused_first(fake, api):
    with pytest.raises(UnknownCollection, match="lists no collection 'missing'"):
        api.create("nightly", ["docs", "missing"])
    assert fake.asked == []


def test_collections_without_a_single_vector_may_just_not_be_loaded_and_are_refused(fake, api, monkeypatch):
    monkeypatch.setitem(DETAILS, "vector_count", 0)
    with pytest.raises(NothingToBackUp, match="counts no vector in 'docs': nothing to keep, or it has not loaded"):
        api.create("nightly", ["docs"])
    assert fake.asked == []


def test_the_servers_whole_list_is_never_asked_for_again_after_a_fault(fake, api, httpserver):
    fake.written = lambda text: Response("", 500)
    with pytest.raises(ServerFault):
        api.backups()
    assert [request.path for request, _ in httpserver.log].count("/backups") == 1


@pytest.mark.parametrize(("held", "found"), [(EMPTY, "0 vectors"), (SHORT, "2 vectors"), (None, "0 vectors")])
def test_a_server_backup_that_holds_less_than_the_server_counts_is_an_error_that_names_it(fake, api, held, found):
    fake.held = held
    with pytest.raises(UnexpectedAnswer, match=rf"'docs': {found}, where the server counts 3.* deletes none"):
        api.create("nightly", ["docs"])


def test_a_server_that_breaks_down_over_it_and_runs_on_is_told_from_one_that_is_gone(fake, api):
    fake.crash = lambda: Response('{"message":"x"}', 502)
    with pytest.raises(UnexpectedAnswer, match=r"broke off over a server backup of 'docs' .* Vectorizer 3\.5\.0"):
        api.create("nightly", ["docs"])

    def restarted():
        fake.uptime = 0
        return Response("", 502)

    fake.crash = restarted
    with pytest.raises(ServerUnavailable):
        api.create("nightly", ["docs"])


def test_contents_are_found_among_others_and_an_unknown_one_is_named(fake, api):
    first = api.ask_for("first", ["docs"])
    fake.held = SHORT
    api.ask_for("second", ["docs"])
    (saved,) = api.contents(first.id)
    saved.finish()
    assert saved.vectors == 3
    with pytest.raises(UnknownBackup, match="has no server backup 'other'"):
        list(api.contents("other"))


def test_saving_writes_the_servers_own_text_and_tells_its_digest(fake, api, tmp_path):
    api.ask_for("first", ["docs"])
    made = api.ask_for("second", ["docs"])
    api.ask_for("third", ["docs"])
    events = []
    saved = api.save(made.id, tmp_path / "kept.json", events.append)
    text = (tmp_path / "kept.json").read_bytes()
    assert json.loads(text) == next(file for file in fake.files if file["id"] == made.id)
    assert (saved.sha256, saved.bytes) == (hashlib.sha256(text).hexdigest(), len(text))
    assert saved.vectors == {"docs": 3}
    assert events[-1].bytes == len(text)
    with pytest.raises(InvalidInput, match="must be a new file"):
        api.save(made.id, tmp_path / "kept.json")
    with pytest.raises(UnknownBackup):
        api.save("other", tmp_path / "other.json")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]


def test_a_cut_answer_leaves_no_file(fake, api, tmp_path):
    made = api.ask_for("first", ["docs"])
    fake.written = lambda text: Response(text[: len(text) // 2])
    with pytest.raises(UnexpectedAnswer, match="found"):
        api.save(made.id, tmp_path / "kept.json")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ restore


def test_a_restore_of_everything_is_counted_and_says_when_it_could_not_be_compared(fake, api):
    made = api.ask_for("first", ["docs"])
    done = api.restore(made.id)
    assert (done.vectors, done.before, done.after) == ({"docs": 3}, {"docs": 3}, {"docs": 3})
    assert done.compared is False
    assert fake.asked[-1] == {"backup_id": made.id, "collections": ["docs"]}


def test_a_choice_that_the_server_would_not_heed_is_refused_with_its_version_and_the_alternatives(fake, api):
    made = api.ask_for("first", ["docs"])
    fake.files[0]["data"]["more"] = EMPTY
    with pytest.raises(Unsupported, match=r"Vectorizer 3\.5\.0 restores everything .* 'more' too\. Restore all of it"):
        api.restore(made.id, ["docs"])
    assert len(fake.asked) == 1


def test_a_collection_the_server_backup_does_not_hold_is_refused(fake, api):
    made = api.ask_for("first", ["docs"])
    with pytest.raises(UnknownCollection, match="does not hold 'other'; it holds 'docs'"):
        api.restore(made.id, ["other"])
    fake.held = None
    empty = api.ask_for("second", ["docs"])
    for chosen in (None, []):
        with pytest.raises(InvalidInput, match="nothing to restore"):
            api.restore(empty.id, chosen)


def test_another_dimension_is_refused_before_the_server_deletes_over_it(fake, api):
    fake.held = {"vectors": [RECORDS[0] | {"vector": [1.0]}], "dimension": 1, "metric": "Euclidean"}
    made = api.ask_for("first", ["docs"])
    with pytest.raises(RestoreRefused, match="'docs' has dimension 2 on the server and 1 in the server backup"):
        api.restore(made.id)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({"vectors": RECORDS * 2, "dimension": 2, "metric": "Euclidean"}, "'docs' counts 3 vectors of 6"),
        ({"vectors": RECORDS, "dimension": 2, "metric": "Cosine"}, "'docs' is euclidean of dimension 2, not cosine"),
    ],
)
def test_success_that_is_none_is_found_by_looking(fake, api, held, found):
    fake.held = held
    made = api.ask_for("first", ["docs"])
    with pytest.raises(ComparisonFailed, match=found):
        api.restore(made.id)


# ------------------------------------------------------------------ as a way to read


def captured(client):
    store = new_store(clock := Time())
    made = capture(VectorizerServer(client), store, clock)
    ((summary, private),) = only_backup(store, clock).manifest.each()
    return made, summary, private, stored_content(store, made.folder, made.name)["docs"]


def test_a_server_that_lets_nothing_else_through_is_captured_out_of_a_server_backup(fake, client):
    made, summary, private, content = captured(client)
    assert (made.state, summary.standing, summary.way) == ("good", "whole", ReadWay.BACKUP_API)
    assert [(key, payload) for key, (_, payload) in content.items()] == [(f"r{n}", f'{{"n":{n}}}') for n in range(3)]
    left, unknown = private.notes
    assert "stays on the server's disk: Vectorizer 3.5.0 deletes none" in left
    assert "did not tell its hnsw, graph, shards" in unknown
    assert fake.asked == [{"name": "vectorizer-backup of docs", "collections": ["docs"]}]


def test_what_a_server_backup_may_have_changed_is_noted(fake, client):
    numbers = [RECORDS[0] | {"metadata": {"x": 0.9476470947265624}}, RECORDS[1] | {"metadata": {}}, RECORDS[2]]
    fake.held = {"vectors": numbers, "dimension": 2, "metric": "Euclidean"}
    _, _, private, _ = captured(client)
    notes = " ".join(private.notes)
    assert "1 payload with numbers of 16 digits or more" in notes
    assert "1 payload of {}: the server backup writes null so too" in notes


def test_a_short_server_backup_is_never_a_good_backup(fake, client):
    fake.held = SHORT
    made, summary, private, content = captured(client)
    assert (made.state, summary.standing) == ("partial", "incomplete")
    assert private.problem == "the server counts 3 vectors and gives 2"
    assert len(content) == summary.vectors == 2


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (EMPTY, "the server counts 3 vectors and gives 0"),
        ([], "the server counts 3 vectors and gives 0"),
        (None, "was to hold 'docs' and does not"),
        ({"vectors": [{"id": "a", "vector": [1.0]}]}, "a vector does not have the collection's 2 components"),
    ],
)
def test_an_empty_server_backup_or_one_of_something_else_makes_no_backup_at_all(fake, client, held, found):
    fake.held = held
    with pytest.raises(NothingToBackUp, match=found):
        captured(client)


@pytest.mark.parametrize("cut", [3, 40, 60, 120])
def test_a_truncated_server_backup_is_unreadable_and_says_what_was_found(fake, client, cut):
    fake.written = lambda text: Response(text[:-cut])
    with pytest.raises(NothingToBackUp, match=r"'docs': GET .*/backups: .* was expected.* found"):
        captured(client)
