"""What a run of the bench leaves for programs: `.bench/result.json`."""

from typing import Literal

from backup_engine.model import Document, Moment
from bench.catalogs import Listed
from bench.figures import Figure
from bench.measurement import Depth, Increments, Measurement, SideBySide, Step
from bench.parameters import Kept


class SetResult(Document):
    """What was measured with one data set.

    :param kept: how the collection keeps its vectors
    :param rounds: every run of every step, in the order they ran
    :param tenfold: the steps that ran with ten times the data; empty against a live server
    :param figures: made of the fastest round of each step
    """

    kept: Kept
    vectors: int
    dimension: int
    rounds: dict[Step, tuple[Measurement, ...]]
    tenfold: dict[Step, Measurement]
    figures: tuple[Figure, ...]


class Result(Document):
    """One run of the bench.

    :param schema_version: another one whenever a field changes its meaning
    :param server: address of the live server; "pre-rendered" for the bench's own
    :param server_version: what the server says it is
    :param cores: of the machine; each step has one of them to itself
    :param load: running processes when it began, as an average over a minute: above 1, others were at work
    :param workers: every export by one worker and by two; empty against a live server
    :param figures: made of the fastest of these
    :param increments: of every kind of change; empty against a live server
    :param depth: what the deepest chain of a day costs
    :param large: an increment of ten times the data
    :param catalogs: a store of 10,000 backups, read each way; empty against a live server
    """

    schema_version: Literal[2] = 2
    at: Moment
    server: str
    server_version: str
    cores: int
    load: float
    sets: tuple[SetResult, ...]
    workers: tuple[SideBySide, ...] = ()
    figures: tuple[Figure, ...] = ()
    increments: tuple[Increments, ...] = ()
    depth: Depth | None = None
    large: Measurement | None = None
    catalogs: tuple[Listed, ...] = ()
    increment_figures: tuple[Figure, ...] = ()
