"""Judge what one look saw against what was promised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backup_engine.deployment import Deployment
from backup_engine.freshness.case import Case
from backup_engine.freshness.concerns import Concern
from backup_engine.freshness.judgement import Judgement
from backup_engine.freshness.judging_places import judge_places
from backup_engine.freshness.judging_points import judge_points
from backup_engine.freshness.judging_pruning import judge_pruning
from backup_engine.freshness.judging_runs import judge_runs
from backup_engine.freshness.judging_sizes import judge_sizes
from backup_engine.freshness.measures import Measure
from backup_engine.freshness.points import good_points
from backup_engine.freshness.protecting import protection
from backup_engine.freshness.sighting import Sighting

_NOTHING: Mapping[str, tuple[Measure, ...]] = MappingProxyType({})


def judge(
    deployment: Deployment, sighting: Sighting, measures: Mapping[str, tuple[Measure, ...]] = _NOTHING
) -> Judgement:
    """Tell how well a deployment is protected, and what is wrong with that.

    What a run says of itself (it failed, it is late, its backup is partial or suspect) and what is wrong with the
    configuration is not seen here.

    :param measures: what each place held on earlier days, by its url; without them nothing is said to have vanished
    """
    case = Case(deployment, sighting, protection(deployment, sighting), good_points(sighting), measures)
    said = (judge_points(case), judge_places(case), judge_runs(case), judge_sizes(case), judge_pruning(case))
    concerns = [concern for judged in said for concern in judged]
    return Judgement(protection=case.protection, concerns=tuple(sorted(concerns, key=_worst_first)))


def _worst_first(concern: Concern) -> int:
    return -concern.severity.rank
