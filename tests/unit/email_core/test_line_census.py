"""Who is counted in which line."""

from email_core.delivery_state import Status
from email_core.line_census import LineCensus
from email_core.record import Turn
from email_core.throttling import Census, Window
from tests.support.emails import email

LINE = Window(issued=10, served=4)


def waiting(number: int, **about):
    return email(turn=Turn(number=number), **about)


def test_count_tells_who_waits_and_who_of_those_that_were_passed_over_may_come_yet():
    census = LineCensus({"smtp": LINE})
    census.count([waiting(number) for number in (9, 2, 7, 0, 11)])
    assert census.counted() == {"smtp": Census(issued=10, served=4, waiting=2, lowest=7, passed=1)}


def test_line_in_which_nobody_waits_begins_behind_its_last_number():
    assert LineCensus({"smtp": LINE}).counted()["smtp"].lowest == 11


def test_mail_that_is_sent_or_waits_elsewhere_does_not_count():
    census = LineCensus({"smtp": LINE})
    census.count([email(), waiting(7, status=Status.SENDING), waiting(7, provider="graph")])
    assert census.counted()["smtp"].waiting == 0


def test_only_lines_in_which_somebody_may_wait_are_counted():
    windows = {"smtp": Window(), "graph": Window(issued=4, served=4), "exchange": Window(issued=4, served=4, passed=1)}
    assert list(LineCensus(windows).counted()) == ["exchange"]
