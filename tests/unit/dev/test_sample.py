"""The settings that a fresh clone begins with."""

from dev.environment import read_values
from dev.run import ROOT
from email_core.addresses import parse_address
from tests.support.parameters import parameters_from_settings

SAMPLE = read_values(ROOT / "local.settings.sample.json")


def test_test_email_has_a_sender_from_the_first_start():
    assert parse_address(parameters_from_settings(SAMPLE).default_sender)
