import pytest

from email_core.parameters import Parameters
from email_core.sending_limits import SendingLimits, limit_warnings, sending_limits

OFFICE = {"smtp_server": "smtp.office365.com"}

# what is set, the provider -> its limits
LIMITS = [
    ({}, "smtp", (0, 0)),
    ({"smtp_server": "mail.contoso.com"}, "smtp", (0, 0)),
    (OFFICE, "smtp", (30, 10_000)),
    ({"smtp_server": "SMTP.Office365.com."}, "smtp", (30, 10_000)),
    ({"smtp_preset": "exchange_online"}, "smtp", (30, 10_000)),
    ({"smtp_preset": "gmail"}, "smtp", (0, 0)),
    (OFFICE | {"smtp_per_minute_limit": 0}, "smtp", (0, 10_000)),
    (OFFICE | {"smtp_per_minute_limit": 12, "recipients_per_day_limit": 0}, "smtp", (12, 0)),
    ({"smtp_server": "mail.contoso.com", "smtp_per_minute_limit": 600}, "smtp", (600, 0)),
    (OFFICE, "graph", (0, 10_000)),
    ({"graph_per_minute_limit": 40, "recipients_per_day_limit": 0}, "graph", (40, 0)),
    ({"exchange_per_minute_limit": 5}, "exchange", (5, 0)),
    ({"recipients_per_day_limit": 500}, "exchange", (0, 500)),
]


@pytest.mark.parametrize(("parameters", "provider", "limits"), LIMITS)
def test_limits_of_a_provider(parameters, provider, limits):
    assert sending_limits(Parameters(**parameters), provider) == SendingLimits(*limits)


@pytest.mark.parametrize(("limits", "any_holds"), [((0, 0), False), ((1, 0), True), ((0, 1), True)])
def test_limits_say_whether_any_holds(limits, any_holds):
    assert bool(SendingLimits(*limits)) == any_holds


def test_limit_of_a_provider_that_limits_itself_is_warned_of():
    limited = Parameters(smtp_per_minute_limit=30, graph_per_minute_limit=1)
    warned = {provider: len(limit_warnings(limited, provider)) for provider in ("smtp", "graph", "exchange", "eml")}
    assert warned == {"smtp": 0, "graph": 1, "exchange": 0, "eml": 0}
