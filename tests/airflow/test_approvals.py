"""Which decisions count as an approval."""

import pytest

from vectorizer_backup.approvals import approver, objection, rejected


def _decision(option: str, user: str | None) -> dict:
    who = {"id": user, "name": user} if user else None
    return {"chosen_options": [option], "params_input": {}, "responded_by_user": who}


@pytest.mark.parametrize(
    ("decision", "requester", "second_person", "counts"),
    [
        (_decision("Approve", "kim"), "dana", True, True),
        (_decision("Approve", "kim"), None, True, True),
        (_decision("Approve", "dana"), "dana", True, False),
        (_decision("Approve", "dana"), "dana", False, True),
        (_decision("Approve", None), "dana", True, False),
        (_decision("Approve", None), "dana", False, False),
        (_decision("Approve", None), None, True, False),
        (_decision("Reject", "kim"), "dana", True, False),
        (_decision("Reject", "kim"), "dana", False, False),
        (None, "dana", True, False),
        (None, None, False, False),
        ({}, "dana", False, False),
        ({"chosen_options": [], "responded_by_user": {"id": "1", "name": "kim"}}, "dana", True, False),
    ],
)
def test_only_the_approval_of_somebody_who_may_give_it_counts(decision, requester, second_person, counts) -> None:
    assert (objection(decision, requester=requester, second_person=second_person) is None) is counts


def test_an_objection_names_who_it_is_about() -> None:
    assert "dana started this run" in objection(_decision("Approve", "dana"), requester="dana", second_person=True)
    assert objection(_decision("Reject", "kim"), requester="dana", second_person=True) == "kim rejected it"


def test_a_user_without_a_name_is_known_by_id() -> None:
    assert approver({"responded_by_user": {"id": "7", "name": ""}}) == "7"


def test_nothing_recorded_is_no_rejection() -> None:
    assert not rejected(None)
    assert rejected(_decision("Reject", "kim"))
