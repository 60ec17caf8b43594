"""The garbage collector is kept away for as long as said, and is afterwards what it was before."""

from __future__ import annotations

import gc

import pytest

from backup_engine.collector import uncollected


@pytest.fixture(autouse=True)
def switched_on():
    gc.enable()
    yield
    gc.enable()


def test_it_is_on_again_afterwards_however_deep_and_whatever_happened():
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(LookupError), uncollected():
        raise LookupError
    assert gc.isenabled()


def test_whoever_has_switched_it_off_finds_it_off():
    gc.disable()
    with uncollected():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_what_came_to_be_meanwhile_is_not_walked_over_at_once():
    walks = []
    gc.callbacks.append(lambda phase, _: walks.append(phase))
    try:
        with uncollected():
            held = [[] for _ in range(50_000)]
        held += [[] for _ in range(10)]
    finally:
        gc.callbacks.pop()
    assert not walks


def test_what_somebody_else_froze_stays_frozen():
    gc.freeze()
    try:
        with uncollected():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
