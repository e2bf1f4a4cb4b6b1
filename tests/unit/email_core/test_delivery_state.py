from itertools import product

import pytest

from email_core.delivery_state import ENDED, TRANSITIONS, Event, Status, step
from email_core.errors import IllegalTransition


@pytest.mark.parametrize(("status", "event"), [*product(Status, Event)])
def test_only_the_steps_of_the_table_are_possible(status, event):
    if (status, event) in TRANSITIONS:
        assert step(status, event) is TRANSITIONS[status, event]
        return
    with pytest.raises(IllegalTransition) as refusal:
        step(status, event)
    assert (refusal.value.status, refusal.value.event) == (status, event)


@pytest.mark.parametrize("status", sorted(ENDED))
def test_nothing_happens_to_what_has_ended(status):
    assert not [event for (before, event) in TRANSITIONS if before is status]


def test_every_state_can_be_reached():
    assert {Status.UNSENT, *TRANSITIONS.values()} == set(Status)
