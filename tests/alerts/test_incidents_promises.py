"""What holds for every sequence of looks and runs."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from backup_engine.alerts.alert import Occasion
from backup_engine.alerts.causes import explained_by, is_cause
from backup_engine.alerts.incidents import reconcile
from backup_engine.freshness.concerns import EVENTS, Concern, ConcernKind, Severity
from tests.alerts.looks import LOOK, REMIND, Watcher, concern

PURPOSES = ("full_backup", "verification", "sync", "restore")
DAYS = timedelta(days=3)

looked = st.builds(
    concern,
    st.sampled_from(sorted(set(ConcernKind) - EVENTS)),
    st.sampled_from(Severity),
    st.sampled_from(("", "full_backup", "verification", "s3://b/x")),
    grace_seconds=st.sampled_from((0.0, 300.0, 900.0)),
)
events = st.builds(concern, st.sampled_from(sorted(EVENTS)), st.sampled_from(Severity), st.sampled_from(PURPOSES))
looks = st.lists(looked, max_size=5)
pauses = st.sampled_from((LOOK, timedelta(minutes=20), timedelta(hours=3), timedelta(hours=30)))
steps = st.lists(st.tuples(pauses, st.one_of(looks, events, st.sampled_from(PURPOSES))), max_size=25)


def _live(story: list[tuple[timedelta, list[Concern] | Concern | str]]) -> Watcher:
    watcher = Watcher()
    for pause, what in story:
        if isinstance(what, list):
            watcher.look(*what, after=pause)
            continue
        watcher.now += pause
        if isinstance(what, str):
            watcher.settles(what)
        else:
            watcher.runs(what)
    return watcher


def _known(watcher: Watcher, key: str) -> int:
    """As how bad people know of it, or of what explains it."""
    one = watcher.ledger.incidents[key]
    causes = explained_by(one.concern)
    behind = [
        other.concern.key
        for other in watcher.ledger.open
        if any(is_cause(cause, other.concern, one.concern) for cause in causes)
    ]
    own = one.told.rank if one.told else 0
    return max(own, *(_known(watcher, other) for other in behind), 0) if behind else own


@given(steps, looks)
def test_nothing_worse_than_a_note_stays_untold_for_ever(story, lasting) -> None:
    watcher = _live(story)
    for _ in range(5):
        watcher.look(*lasting)
    for one in watcher.ledger.open:
        assert _known(watcher, one.concern.key) >= one.concern.severity.rank


@given(steps)
def test_nothing_is_told_twice_within_a_day_unless_it_was_over_in_between(story) -> None:
    last: dict[tuple[str, Severity], object] = {}
    for when, occasion, key, severity in _live(story).heard:
        if occasion is Occasion.RECOVERED:
            last = {known: told for known, told in last.items() if known[0] != key}
        else:
            assert (key, severity) not in last or when - last[key, severity] >= REMIND
            last[key, severity] = when


@given(steps)
def test_each_end_answers_something_that_was_told_and_each_beginning_comes_first(story) -> None:
    open_: set[str] = set()
    for _, occasion, key, _ in _live(story).heard:
        assert (key in open_) is (occasion is not Occasion.RAISED)
        open_ = open_ - {key} if occasion is Occasion.RECOVERED else open_ | {key}


@given(steps)
def test_everybody_hears_in_the_end_that_all_is_well_again(story) -> None:
    watcher = _live(story)
    for purpose in PURPOSES:
        watcher.settles(purpose)
    watcher.look()
    watcher.look(after=timedelta(hours=25))
    told = {key: occasion for _, occasion, key, _ in watcher.heard}
    assert set(told.values()) <= {Occasion.RECOVERED}
    watcher.look(after=DAYS)
    assert watcher.ledger.incidents == {}, "nothing is remembered for ever"


@given(steps, looks, st.randoms())
def test_the_order_in_which_concerns_are_listed_changes_nothing(story, concerns, random) -> None:
    watcher = _live(story)
    shuffled = [*concerns]
    random.shuffle(shuffled)
    one, other = (reconcile(watcher.ledger, some, watcher.now, remind=REMIND) for some in (concerns, shuffled))
    assert one == other


@given(steps, looks)
def test_the_same_look_again_tells_nothing(story, concerns) -> None:
    watcher = _live(story)
    watcher.look(*concerns)
    assert watcher.look(*concerns, after=timedelta(0)) == []


@given(st.lists(st.tuples(pauses, looks), max_size=60))
def test_coming_and_going_is_told_a_few_times_a_day_at_most(story) -> None:
    watcher = _live(story)
    for key in {key for _, _, key, _ in watcher.heard}:
        times = [when for when, _, told, _ in watcher.heard if told == key]
        assert all(sum(first <= when < first + REMIND for when in times) <= 20 for first in times)
