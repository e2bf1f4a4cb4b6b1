"""What may be shown, and that a check never stands in the others' way."""

import asyncio

import pytest

from email_core.doctor.finding import LONGEST_DETAIL, Verdict, bounded, failed, ok, shown, skipped, told, warning
from email_core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("550 <bob.miller@example.com>: unknown", "550 <b***@example.com>: unknown"),
        ("user: ann@contoso.com,eve@example.com", "user: a***@contoso.com,e***@example.com"),
        ('no <"john doe"@contoso.com>', "no <j***@contoso.com>"),
        (r'"a\" b"@contoso.com', "a***@contoso.com"),
        ('"john@home"@contoso.com', "j***@contoso.com"),
        ("550 bob@[192.0.2.1] unknown", "550 b***@[192.0.2.1] unknown"),
        ("/users/bob%40example.com/messages", "/***@example.com/messages"),
        ("550 john.o'neil@contoso.com", "550 j***@contoso.com"),
        ("'bob@example.com'", "b***@example.com'"),
        ("b" * 80 + "@example.com", "b***@example.com"),
        ("bounce+bob=example.com@lists.contoso.com", "b***@lists.contoso.com"),
        ("250-mail\r\n250 OK\x1b[31m", "250-mail 250 OK [31m"),
        ("x" * (LONGEST_DETAIL + 1), "x" * (LONGEST_DETAIL - 1) + "…"),
    ],
)
def test_text_is_one_line_of_some_length_with_addresses_masked(text, line):
    assert shown(text) == line


@pytest.mark.parametrize("piece", ["a", "'", '"', '"a', "'a", "a@", "a%40", "\\"])
def test_long_text_is_read_once(piece):
    shown(piece * 100_000)  # it would take minutes otherwise


@pytest.mark.parametrize(
    "finding", [ok("a", "b@c.de"), warning("a", "b@c.de", "b@c.de"), failed("a", "b@c.de", "b@c.de")]
)
def test_no_finding_has_a_whole_address(finding):
    assert "b@c.de" not in repr(finding)


async def test_check_has_its_time_and_no_more():
    finding = await bounded("vault", asyncio.Event().wait(), 0.01)
    assert (finding.verdict, finding.detail) == (Verdict.FAILED, "no answer within 0.01 seconds")


async def test_check_that_is_wrong_is_told_without_the_error_s_words():
    async def breaks():
        raise KeyError("hunter2")

    finding = await bounded("vault", breaks(), 1)
    assert (finding.verdict, finding.what) == (Verdict.FAILED, "vault")
    assert finding.detail.startswith("internal error: KeyError at ")
    assert "hunter2" not in repr(finding)


async def test_setting_that_is_wrong_is_told_with_its_fix():
    async def breaks():
        raise ConfigurationError("EmailStorage", "is not set", "Set it.")

    assert await bounded("table", breaks(), 1) == failed("table", "EmailStorage is not set", "Set it.")


async def test_finding_is_handed_on():
    assert await bounded("table", told(skipped("table", "why")), 1) == skipped("table", "why")
