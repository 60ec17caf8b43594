"""Figures and their budgets, and what programs and people are given of them."""

import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from pydantic import BaseModel
from rich.console import Console

from bench.figures import Figure, best, figures, side_by_side_figures
from bench.measurement import Depth, Increments, Measurement, SideBySide, Step
from bench.parameters import Kept
from bench.result import Result, SetResult
from bench.showing import markdown, show
from tests.project import repository
from tests.tables import squeezed

MIB = 1 << 20


def measurement(seconds: float, size: int = 0, memory: int = 100 * MIB, cpu: float | None = None) -> Measurement:
    return Measurement(seconds=seconds, cpu_seconds=cpu or seconds, memory_bytes=memory, vectors=100_000, bytes=size)


GOOD = {
    Step.READ: measurement(0.5, 1_000_000_000),
    Step.GUIDE: measurement(40.0, 400),
    Step.CAPTURE: measurement(3.0, 70),
    Step.VERIFY_FULL: measurement(0.9),
    Step.VERIFY_QUICK: measurement(0.1),
    Step.RESTORE: measurement(30.0),
    Step.CAPTURE_TO_S3: measurement(4.0, 70),
    Step.COPY_TO_S3: measurement(1.0, 70),
    Step.COPY_S3_TO_S3: measurement(1.0, 70),
}
WORSE = {
    "answers served to a plain client": {Step.READ: measurement(1.1, 1_000_000_000)},
    "capture time ÷ guide's": {Step.GUIDE: measurement(11.0, 400)},
    "backup bytes ÷ guide's": {Step.CAPTURE: measurement(3.0, 90)},
    "records captured a second of CPU": {Step.CAPTURE: measurement(3.0, 70, cpu=3.4)},
    "full verification rate ÷ capture rate": {Step.VERIFY_FULL: measurement(1.1)},
    "own share of a restore": {Step.RESTORE: measurement(30.0, cpu=40.0)},
    "memory of a worker, the most": {Step.RESTORE: measurement(30.0, memory=513 * MIB)},
    "capture rate, primary on S3 ÷ local": {Step.CAPTURE_TO_S3: measurement(5.1, 70)},
}
TENFOLD = dict.fromkeys((Step.CAPTURE, Step.COPY_TO_S3, Step.COPY_S3_TO_S3), measurement(30.0, 700, memory=109 * MIB))


def missed(found: tuple[Figure, ...]) -> list[str]:
    return [figure.name for figure in found if figure.met is False]


def test_a_good_run_misses_no_budget_and_only_what_another_says_too_has_none() -> None:
    found = figures(Kept.SQ8, GOOD, TENFOLD, live=False)
    assert missed(found) == []
    without = ["capture CPU ÷ guide's", "copy-to-s3, rate", "copy-s3-to-s3, rate"]
    assert [figure.name for figure in found if figure.met is None] == without


@pytest.mark.parametrize("name", WORSE)
def test_each_budget_can_be_missed(name: str) -> None:
    assert missed(figures(Kept.SQ8, {**GOOD, **WORSE[name]}, TENFOLD, live=False)) == [name]


@pytest.mark.parametrize("step", TENFOLD)
def test_memory_that_grows_with_the_data_is_missed(step: Step) -> None:
    grown = {**TENFOLD, step: measurement(30.0, 700, memory=130 * MIB)}
    (name,) = missed(figures(Kept.SQ8, GOOD, grown, live=False))
    assert step.value in name


def worked(workers: int, seconds: float, pace: float | None = None) -> SideBySide:
    return SideBySide(workers=workers, pace=pace, seconds=seconds, cpu_seconds=7, busy=0.9, vectors=200_000)


@pytest.mark.parametrize(
    ("seconds", "names"), [(5.8, []), (5.9, ["2 workers ÷ one, answers as fast as they are taken"])]
)
def test_two_workers_are_compared_with_one_by_the_fastest_run_of_each(seconds: float, names: list[str]) -> None:
    paced = [worked(1, 20, 100e6), worked(2, 11, 100e6)]
    found = side_by_side_figures([worked(1, 12), worked(1, 10), worked(2, 20), worked(2, seconds), *paced])
    assert missed(found) == names
    assert found[1].value == pytest.approx(20 / 11)
    assert "at 100.0 MB/s" in found[1].name


def test_floats_have_budgets_of_their_own() -> None:
    larger = {**GOOD, Step.CAPTURE: measurement(4.9, 159), Step.VERIFY_FULL: measurement(1.6)}
    assert missed(figures(Kept.FLOATS, larger, TENFOLD, live=False)) == []
    assert len(missed(figures(Kept.SQ8, larger, TENFOLD, live=False))) == 2


def test_a_live_server_s_own_pace_is_no_budget_and_the_share_of_a_restore_is_of_its_true_time() -> None:
    slow = {**GOOD, Step.READ: measurement(20.0, 1_000_000_000), Step.RESTORE: measurement(400.0, cpu=30.0)}
    found = {figure.name: figure for figure in figures(Kept.SQ8, slow, {}, live=True)}
    assert found["answers served to a plain client"].met is None
    assert found["own share of a restore"].value == pytest.approx(30 / 400)


def test_the_fastest_round_of_each_step_counts() -> None:
    rounds = {Step.CAPTURE: (measurement(3.0), measurement(2.0), measurement(4.0))}
    assert best(rounds) == {Step.CAPTURE: measurement(2.0)}


WORKERS = (worked(1, 10), worked(2, 9))


@pytest.fixture
def result() -> Result:
    rounds = {step: (one,) for step, one in GOOD.items()}
    worse = {**GOOD, **WORSE["own share of a restore"]}
    return Result(
        at=datetime(2026, 11, 22, 20, tzinfo=UTC),
        server="pre-rendered",
        server_version="3.5.0",
        cores=2,
        load=0.1,
        sets=(
            SetResult(
                kept=Kept.SQ8,
                vectors=100_000,
                dimension=384,
                rounds=rounds,
                tenfold=TENFOLD,
                figures=figures(Kept.SQ8, worse, TENFOLD, live=False),
            ),
        ),
        workers=WORKERS,
        figures=side_by_side_figures(WORKERS),
    )


def test_programs_read_back_what_was_written(result: Result) -> None:
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_people_see_every_figure_with_its_budget_and_what_was_missed(result: Result) -> None:
    text = squeezed(markdown(result))
    assert "| own share of a restore | 12.0% | at most 10.0% | MISSED |" in text
    assert text.count("| met |") == 10
    assert "| 2 | answers as fast as they are taken | 9.00 s | 7.00 s | 90% |" in text
    assert "| 2 workers ÷ one, answers as fast as they are taken | 1.11 | at least 1.70 | MISSED |" in text
    output = StringIO()
    show(result, Console(file=output, width=120))
    shown = re.sub(r"\s+", " ", output.getvalue())
    assert all(figure.name in shown for figure in (*result.sets[0].figures, *result.figures))


@pytest.mark.parametrize("document", [Result, SetResult, Measurement, SideBySide, Figure, Increments, Depth])
def test_the_docs_name_every_field_that_programs_find(document: type[BaseModel]) -> None:
    page = (repository.ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in document.model_fields if f"`{name}`" not in page] == []
