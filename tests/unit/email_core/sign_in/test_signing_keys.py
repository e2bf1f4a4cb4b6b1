"""The keys of the issuer: rotation, and a key server that nobody can make this app flood."""

import asyncio
import json

import pytest

from email_core.sign_in.signing_keys import (
    FRESH_SECONDS,
    LONGEST_SECONDS,
    MOST_OCTETS,
    NO_KEYS_SECONDS,
    UNKNOWN_KEY_SECONDS,
    NoKeys,
    SigningKeys,
    fetched,
)
from tests.support.entra import Issuer, jwk, running_issuer


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Server(Issuer):
    """Answers at once, or never."""

    async def fetch(self, address):
        await asyncio.sleep(0)
        answer = self.answer()
        if answer is None:
            raise OSError("down")
        return answer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def keys(server, clock):
    return SigningKeys("https://issuer/keys", server.fetch, clock)


async def test_keys_are_fetched_once_for_all(keys, server):
    found = await asyncio.gather(*(keys.key("first") for _ in range(50)))
    assert len(found) == 50
    assert None not in found
    assert server.fetches == 1


async def test_new_key_is_found_at_its_first_use(keys, server, clock):
    await keys.key("first")
    server.published.append("second")
    clock.now += UNKNOWN_KEY_SECONDS
    assert await keys.key("second") is not None
    assert server.fetches == 2


async def test_key_that_is_no_longer_published_is_not_used_any_more(keys, server, clock):
    await keys.key("first")
    server.published = ["second"]
    clock.now += FRESH_SECONDS
    assert await keys.key("first") is None


async def test_flood_of_unknown_keys_becomes_one_fetch_a_minute(keys, server, clock):
    for minute in range(3):
        found = await asyncio.gather(*(keys.key(f"forged-{minute}-{number}") for number in range(200)))
        assert set(found) == {None}
        clock.now += UNKNOWN_KEY_SECONDS
    assert server.fetches == 3


async def test_flood_of_unknown_keys_holds_up_no_known_one(keys, server, clock):
    await keys.key("first")
    clock.now += UNKNOWN_KEY_SECONDS
    server.is_down = True
    await keys.key("forged")
    fetches = server.fetches
    assert await keys.key("first") is not None
    assert server.fetches == fetches


async def test_old_keys_are_used_while_no_new_ones_can_be_had(keys, server, clock):
    await keys.key("first")
    server.is_down = True
    clock.now += LONGEST_SECONDS - 1
    assert await keys.key("first") is not None


async def test_keys_that_are_too_old_sign_nobody_in(keys, server, clock):
    await keys.key("first")
    server.is_down = True
    clock.now += LONGEST_SECONDS
    with pytest.raises(NoKeys):
        await keys.key("first")


async def test_server_that_is_down_is_asked_again_after_a_pause(keys, server, clock):
    server.is_down = True
    for _ in range(20):
        with pytest.raises(NoKeys):
            await keys.key("first")
    assert server.fetches == 1
    server.is_down = False
    clock.now += NO_KEYS_SECONDS
    assert await keys.key("first") is not None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [1]}',
        b"[" * 100_000,
        json.dumps({"keys": [jwk("short", 1024)]}).encode(),
        json.dumps({"keys": [jwk("first") | {"use": "enc"}]}).encode(),
        json.dumps({"keys": [jwk("first") | {"n": "!"}]}).encode(),
        json.dumps({"keys": [{"kty": "oct", "kid": "first", "k": "c2VjcmV0"}]}).encode(),
    ],
    ids=lambda answer: answer[:30].decode(),
)
async def test_answer_without_a_usable_key_leaves_the_old_ones(answer, server, clock):
    answers = [json.dumps({"keys": [jwk("first")]}).encode(), answer]

    async def fetch(address):
        return answers.pop(0)

    keys = SigningKeys("https://issuer/keys", fetch, clock)
    await keys.key("first")
    clock.now += FRESH_SECONDS
    assert await keys.key("first") is not None


async def test_broken_key_does_not_hide_the_others(server, clock):
    async def fetch(address):
        return json.dumps({"keys": [{"kty": "RSA", "kid": "broken", "n": "", "e": ""}, jwk("first")]}).encode()

    assert await SigningKeys("https://issuer/keys", fetch, clock).key("first") is not None


async def test_keys_come_over_http():
    with running_issuer() as issuer:
        assert await SigningKeys(issuer.settings.keys_address).key("first") is not None


async def test_endless_answer_is_left(monkeypatch):
    with running_issuer() as issuer:
        monkeypatch.setattr(issuer, "answer", lambda: b" " * (MOST_OCTETS + 1))
        with pytest.raises(ValueError, match="too long"):
            await fetched(issuer.settings.keys_address)
