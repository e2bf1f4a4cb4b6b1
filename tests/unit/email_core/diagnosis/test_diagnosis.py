"""What holds for every answer, known or not."""

import random
import re
import time
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.diagnosis import Diagnosis, Retry, by_id, diagnose
from email_core.diagnosis.answer import LONGEST_WORD, LOOKED_AT, words_of
from email_core.diagnosis.catalogue import SECTIONS
from tests.support.recorded_replies import RECORDED

STAGES = [None, "connect", "tls", "ehlo", "credential", "auth", "mail", "rcpt", "data", "request"]
MATCHES = [match for section in SECTIONS for entry in section.entries for match in entry.matches]


@given(
    provider=st.sampled_from(["smtp", "graph", "exchange"]) | st.text(max_size=20),
    stage=st.sampled_from(STAGES) | st.text(max_size=20),
    code=st.none() | st.integers(),
    reply=st.text(max_size=300) | st.sampled_from([row[-1] for row in RECORDED]),
)
def test_no_answer_is_too_strange(provider, stage, code, reply):
    assert isinstance(diagnose(provider=provider, stage=stage, code=code, reply=reply), Diagnosis)


@given(st.sampled_from(RECORDED), st.randoms())
def test_a_recorded_reply_that_came_damaged_is_no_failure(row, chance):
    _, provider, stage, code, reply = row
    start, end = sorted(chance.randrange(len(reply) + 1) for _ in range(2))
    assert diagnose(provider=provider, stage=stage, code=code, reply=reply[:start] + reply[end:])


@pytest.mark.parametrize(
    "reply", ['{"a":' * 100_000, "[" * 100_000, '{"error":{"code":7}}', '{"error":[]}', "[]", "null"]
)
def test_json_of_another_shape_is_unknown(reply):
    assert diagnose(provider="graph", stage="request", code=400, reply=reply).category == "unknown"


@pytest.mark.parametrize(
    "reply",
    [
        *(
            piece * 50_000
            for piece in ("a", " ", "\n", "a.", "a@", "<", "550-", "5.1.1 ", '"code":"', "auth", "key vault ")
        ),
        " ".join(
            random.Random(1).choices(["sender", "user", "limit", "message", "exceeded", "relay", "host"], k=50_000)
        ),
    ],
    ids=lambda reply: repr(reply[:12]),
)
def test_no_reply_takes_long(reply):
    diagnose(provider="", reply="")  # the patterns are compiled once
    started = time.process_time()
    diagnose(provider="", reply=reply)
    assert time.process_time() - started < 0.2


def test_words_have_no_end_without_a_space():
    assert words_of(f"no{'x' * 500} answer") == f"no{'x' * (LONGEST_WORD - 2)} answer"


def test_what_stands_far_down_is_not_looked_at():
    assert diagnose(provider="smtp", reply="x" * LOOKED_AT + " 550 5.1.1 no").id == "unknown"


@pytest.mark.parametrize("reply", ["554 Überlauf des Flußkondensators, bob@example.com", "  what?\r\n"])
def test_unknown_answer_is_kept_word_for_word_but_for_the_repr(reply):
    found = diagnose(provider="smtp", stage="data", reply=reply)
    assert found.explanation.endswith(reply)
    assert reply not in repr(found)


def test_unknown_answer_is_not_repeated_without_end():
    assert len(diagnose(provider="smtp", reply="x" * 100_000).explanation) < 1_500


@pytest.mark.parametrize("row", [row for row in RECORDED if row[1] == "smtp" and row[-1].startswith("4")])
def test_a_4xx_reply_of_a_mail_server_is_never_the_last_word(row):
    _, provider, stage, code, reply = row
    assert diagnose(provider=provider, stage=stage, code=code, reply=reply).retry is not Retry.NO


def test_what_the_catalogue_says_is_not_changed_by_an_answer():
    softened = diagnose(provider="smtp", stage="rcpt", code=454, reply="454 4.7.1 Relay access denied")
    assert (softened.retry, by_id(softened.id).retry) == (Retry.SOON, Retry.NO)


@pytest.mark.parametrize("match", MATCHES, ids=str)
def test_a_match_is_one_that_can_be(match):
    assert any(getattr(match, part.name) for part in fields(match))
    assert len({code.endswith("*") for code in match.enhanced}) <= 1, "exact codes and starts do not count the same"
    assert all(re.fullmatch(r"[45x]\.(\d\.(\d{1,3}(-\d{1,3})?|\*)|\*)", code) for code in match.enhanced)
    assert set(match.stages) <= set(STAGES)
    assert all(re.sub(r"\\.", "", pattern).islower() for pattern in match.text), "the words are in lower case"
