from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.email_id import created_at, end_of_day_id, inverted_day, is_email_id, new_email_id, partition_of
from tests.support.emails import NOON

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
SHARDS = st.integers(0, 255)


@given(MOMENTS, SHARDS)
def test_id_tells_when_it_was_made_and_where_it_lies(moment, shard):
    email_id = new_email_id(moment, shard)
    assert is_email_id(email_id)
    assert timedelta(0) <= moment - created_at(email_id) < timedelta(milliseconds=1)
    assert partition_of(email_id) == f"{inverted_day(created_at(email_id))}-{shard:02x}"


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), timedelta(days=3650)), SHARDS, SHARDS)
def test_newer_ids_sort_before_older_ones(moment, gap, shard, other):
    assert new_email_id(moment + gap, shard) < new_email_id(moment, other)


@given(MOMENTS, SHARDS)
def test_end_of_day_sorts_behind_the_whole_day_and_before_the_day_before(moment, shard):
    end = end_of_day_id(inverted_day(moment))
    assert is_email_id(end)
    assert new_email_id(moment, shard) < end < new_email_id(moment - timedelta(days=1), shard)


def test_ids_of_one_millisecond_differ():
    assert len({new_email_id(NOON, 0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "8204686998179-04-7qqd05pa8r3",
        "8204686998179-04-7QQD05PA8R3H",
        "../../etc",
        "٨٢٠٤٦٨٦٩٩٨١٧٩-04-7qqd05pa8r3h",
    ],
)
def test_other_text_is_no_id(text):
    assert not is_email_id(text)
