"""The id of an email sorts newest first and tells its partition, so that a point read needs only the id.

`8236207412345-03-k3j9x2m4pqrs` is inverted milliseconds, shard (hexadecimal), random. The partition key is the
inverted day and the shard: emails of one day are spread over `SHARDS` partitions, as one takes only so many requests a
second, and an id keeps the shard it was given when that number changes.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta

SHARDS = 8

_LAST_MILLISECOND = 9_999_999_999_999
_LAST_DAY = 99_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_LENGTH = 12  # 60 bits for emails of the same millisecond and shard
_FORM = re.compile(rf"\d{{13}}-[0-9a-f]{{2}}-[{_ALPHABET}]{{{_RANDOM_LENGTH}}}", re.ASCII)


def new_email_id(now: datetime, shard: int) -> str:
    bits = secrets.randbits(5 * _RANDOM_LENGTH)
    random = "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_RANDOM_LENGTH))
    return f"{inverted_time(now)}-{shard:02x}-{random}"


def is_email_id(text: str) -> bool:
    return _FORM.fullmatch(text) is not None


def inverted_time(moment: datetime) -> str:
    """The first part of every id made at `moment`: 13 digits that fall as time goes on."""
    return f"{_LAST_MILLISECOND - (moment - _EPOCH) // _MILLISECOND:013d}"


def created_at(email_id: str) -> datetime:
    return _EPOCH + (_LAST_MILLISECOND - int(email_id[:13])) * _MILLISECOND


def partition_of(email_id: str) -> str:
    return f"{inverted_day(created_at(email_id))}-{email_id[14:16]}"


def inverted_day(moment: datetime) -> str:
    """The first part of a partition key: 5 digits that fall as days (UTC) go on."""
    return f"{_LAST_DAY - (moment - _EPOCH).days:05d}"


def end_of_day_id(inverted: str) -> str:
    """An id that sorts after every id of that (inverted) day: a list goes on behind it."""
    start = _EPOCH + timedelta(days=_LAST_DAY - int(inverted))
    return f"{inverted_time(start)}-ff-{_ALPHABET[-1] * _RANDOM_LENGTH}"


def last_moment_of(partition: str) -> datetime:
    """The end of a partition's day: no email is accepted into it after that, but for a clock that is wrong."""
    return _EPOCH + timedelta(days=_LAST_DAY - int(partition[:5]) + 1)
