"""dnspython's resolver against a real server on loopback."""

import pytest

from email_core.doctor.resolver import DnsUnavailable
from tests.fakes.dns import REFUSED, name_server

ZONE = {
    ("contoso.com", "MX"): ["20 second.contoso.com.", "10 first.contoso.com."],
    ("contoso.com", "TXT"): ['"v=spf1 include:" "spf.contoso.net -all"', '"another"'],
    ("silent.contoso.com", "MX"): ["0 ."],
}


async def test_mail_servers_come_in_the_order_of_their_preference():
    async with name_server(ZONE) as resolver:
        assert await resolver.mail_servers("contoso.com") == ("first.contoso.com", "second.contoso.com")
        assert await resolver.mail_servers("silent.contoso.com") == ("",)


async def test_strings_of_one_text_belong_together():
    async with name_server(ZONE) as resolver:
        assert set(await resolver.texts("contoso.com")) == {"v=spf1 include:spf.contoso.net -all", "another"}


@pytest.mark.parametrize("name", ["silent.contoso.com", "nobody.contoso.com"])
async def test_no_record_and_no_name_are_both_nothing(name):
    async with name_server(ZONE) as resolver:
        assert await resolver.texts(name) == ()


@pytest.mark.parametrize(("name", "exists"), [("silent.contoso.com", True), ("nobody.contoso.com", False)])
async def test_name_without_a_record_exists_and_an_unknown_one_does_not(name, exists):
    async with name_server({("silent.contoso.com", "TXT"): ['"text"']}) as resolver:
        assert await resolver.exists(name) is exists


async def test_server_that_refuses_leaves_it_open():
    async with name_server(REFUSED) as resolver:
        with pytest.raises(DnsUnavailable):
            await resolver.texts("contoso.com")


@pytest.mark.parametrize("name", ["a..b", f"{'a' * 64}.contoso.com"])
async def test_name_that_cannot_be_asked_for_leaves_it_open(name):
    async with name_server(ZONE) as resolver:
        with pytest.raises(DnsUnavailable):
            await resolver.texts(name)
