"""Any history of the first server: whenever the standby is brought up to date, it holds what the newest backup does."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from backup_engine.standby.applying import apply_newest
from backup_engine.standby.comparing import compare_whole, require_equal
from backup_engine.standby.party import Party
from tests.engine.standby.scene import STANDBY, NamedServer
from tests.engine.test_points_model import STEPS, History

THEN = st.sampled_from(["apply", "apply", "nothing", "restart and apply"])


@given(STEPS, st.lists(THEN, min_size=20, max_size=20))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
def test_whatever_happened_the_standby_holds_what_the_newest_backup_does(steps, applying):
    history = History()
    history.capture()
    standby = NamedServer("standby", history.clock)
    standby._provider_dimension = None
    party = Party(
        store=history.store,
        server=standby,
        standby=STANDBY,
        deployment="production",
        clock=history.clock,
        owner="the test",
    )
    for step, then in zip(steps, applying, strict=False):
        history.happen(*step)
        name = history.capture()
        if then == "nothing":
            continue
        history.clock.pass_by(hours=1)
        if then == "restart and apply":
            standby.restart()
            history.clock.pass_by(hours=1)
        applied = apply_newest(party)
        for change in applied.collections:
            event(change.action.value)
        assert applied.backup == name
        assert contents(standby) == {one: regular(rows) for one, rows in history.states[name].items()}
        if standby.live:
            require_equal(compare_whole(party))


def contents(server) -> dict[str, set[str]]:
    return {name: set(server.content(name)) for name in server.live}


def regular(rows: dict) -> set[str]:
    """Ids of the records that can be put back: none with a component that came as null."""
    return {key for key, (vector, _) in rows.items() if not np.isnan(np.frombuffer(vector, np.float32)).any()}
