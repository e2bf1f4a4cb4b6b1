import pytest

from email_core.errors import WrongParameters
from email_core.parameters import GROUPS, ROWS, SETTING_PREFIX, Parameters, group_of
from tests.support.parameters import parameters_from_settings


@pytest.mark.parametrize("name", ROWS)
def test_every_parameter_has_help_that_ends_as_a_sentence(name):
    assert ROWS[name].metadata["help"].endswith(".")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not isinstance(row.default, str | bool)])
def test_every_number_has_limits_that_hold_its_default(name):
    low, high = ROWS[name].metadata["limits"]
    assert ROWS[name].default is None or low <= ROWS[name].default <= high


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.metadata["choices"]])
def test_every_choice_has_its_default_among_them(name):
    assert ROWS[name].default in ROWS[name].metadata["choices"]


@pytest.mark.parametrize("name", ROWS)
def test_every_parameter_belongs_to_a_group(name):
    assert group_of(ROWS[name]) in GROUPS


def test_without_settings_everything_has_its_default():
    assert parameters_from_settings({}) == Parameters()


def test_settings_of_others_are_none_of_ours():
    assert parameters_from_settings({"EmailStorage": "x", "PATH": "/bin", "EmailParametersX": "1"}) == Parameters()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("smtp_server", "mail.contoso.com", "mail.contoso.com"),
        ("smtp_server", "  mail.contoso.com ", "mail.contoso.com"),
        ("smtp_server", "", ""),
        ("smtp_port", "25", 25),
        ("smtp_port", "0", 0),
        ("smtp_verify_certificate", "False", False),
        ("smtp_port", "65535", 65535),
        ("smtp_security", "tls", "tls"),
        ("default_sender", "ann@contoso.com", "ann@contoso.com"),
        ("attachment_size_limit", "150", 150),
        ("email_expiration_days", "0", 0),
        ("smtp_per_minute_limit", "0", 0),
        ("smtp_per_minute_limit", "30", 30),
        ("smtp_per_minute_limit", "", None),
        ("high_importance_first", "true", True),
        ("high_importance_first", "False", False),
    ],
)
def test_a_setting_takes_the_place_of_the_default(name, text, value):
    assert getattr(parameters_from_settings({SETTING_PREFIX + name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "fix"),
    [
        ("smtp_port", "", "Use 0 to 65535."),
        ("smtp_port", "65536", "Use 0 to 65535."),
        ("smtp_port", "-25", "Use 0 to 65535."),
        ("smtp_port", "25.0", "Use 0 to 65535."),
        ("smtp_port", "²5", "Use 0 to 65535."),
        ("smtp_port", "9" * 5000, "Use 0 to 65535."),
        ("attachment_size_limit", "151", "Use 0 to 150."),
        ("smtp_security", "ssl", "Use one of preset, starttls, tls, none."),
        ("smtp_verify_certificate", "no", "Use true or false."),
        ("smtp_security", "TLS", "Use one of preset, starttls, tls, none."),
        ("batch_provider", "pigeon", "Use one of smtp, "),
        ("smtp_per_minute_limit", "100001", "Use 0 to 100000."),
        ("high_importance_first", "1", "Use true or false."),
        ("smtp_sever", "x", "Did you mean smtp_server? Correct or remove this app setting"),
        ("smtpServer", "x", "Did you mean smtp_server? "),
        ("smtp_pasword", "x", "smtp-password is a secret: enter it by PUT /api/secrets/smtp-password. "),
        ("", "x", "GET /api/parameters lists them. "),
        ("smtp_server" * 10, "x", "GET /api/parameters lists them. "),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix_and_without_its_value(name, text, fix):
    with pytest.raises(WrongParameters) as refusal:
        parameters_from_settings({SETTING_PREFIX + name: text})
    (problem,) = refusal.value.problems
    assert problem.name == (name if name in ROWS else SETTING_PREFIX + name)
    assert problem.fix.startswith(fix)
    assert text not in ("pigeon", "ssl") or text not in str(refusal.value)


def test_the_size_limit_is_in_whole_mebibytes():
    assert Parameters(attachment_size_limit=3).size_limit_octets == 3 * 1024 * 1024


@pytest.mark.parametrize(("days", "meant"), [(0, 30), (1, 1), (3650, 3650)])
def test_no_days_of_expiration_mean_30(days, meant):
    assert Parameters(email_expiration_days=days).expiration_days == meant


@pytest.mark.parametrize(
    ("about", "days"),
    [
        ({}, 30),
        ({"email_history_days": 90}, 90),
        ({"content_retention_days": 7}, 7),
        ({"content_retention_days": 99, "email_history_days": 60}, 60),
        ({"content_retention_days": 7, "keep_content": False}, 0),
    ],
)
def test_content_is_kept_as_long_as_its_record_or_for_less(about, days):
    assert Parameters(**about).content_days == days


@pytest.mark.parametrize(
    ("named", "smtp", "graph"), [("", True, True), ("smtp", True, False), (" graph , smtp,", True, True)]
)
def test_users_may_choose_the_providers_that_are_named_or_else_all(named, smtp, graph):
    parameters = Parameters(interactive_providers=named)
    assert (parameters.is_interactive("smtp"), parameters.is_interactive("graph")) == (smtp, graph)
