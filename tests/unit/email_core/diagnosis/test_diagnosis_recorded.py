"""Each entry of the catalogue, by replies as servers, services and libraries give them."""

from dataclasses import astuple

import pytest

from email_core.diagnosis import Category, Retry, by_id, diagnose
from email_core.diagnosis.catalogue import SECTIONS
from tests.support.recorded_replies import RECORDED

IDS = [entry.diagnosis.id for section in SECTIONS for entry in section.entries]


@pytest.mark.parametrize(("id", "provider", "stage", "code", "reply"), RECORDED)
def test_recorded_reply_has_its_diagnosis(id, provider, stage, code, reply):
    assert diagnose(provider=provider, stage=stage, code=code, reply=reply).id == id


@pytest.mark.parametrize(("id", "provider", "stage", "code", "reply"), RECORDED)
def test_recorded_reply_is_recognised_in_upper_case(id, provider, stage, code, reply):
    assert diagnose(provider=provider, stage=stage, code=code, reply=reply.upper()).id == id


@pytest.mark.parametrize("id", IDS)
def test_every_entry_has_a_recorded_reply(id):
    assert id in {row[0] for row in RECORDED}


def test_no_two_entries_have_one_id():
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("id", IDS)
def test_an_entry_is_found_by_its_id_and_has_something_to_say(id):
    found = by_id(id)
    assert found.id == id
    assert all(isinstance(text, str) and text == text.strip() and text for text in astuple(found))
    assert found.category in Category
    assert found.retry in Retry
    assert not found.title.endswith(".")
    assert found.explanation.endswith((".", ":"))
    assert found.fix.endswith(".")


def test_an_id_that_is_not_in_the_catalogue_has_no_diagnosis():
    assert by_id("smtp-of-long-ago") is None
