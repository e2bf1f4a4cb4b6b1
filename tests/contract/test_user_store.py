"""The users over all stores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from email_core.errors import LostRace
from email_core.stores.azure import users as azure_users
from email_core.stores.base import Stores
from email_core.stores.memory import memory_stores
from email_core.users import KnownUser, User, UserOptions, UserQuery, UserRow
from tests.support.storage import all_azure_stores

ANN = User(id="ann", name="Ånn 王 🌍 O'Neil", email="ann@contoso.com", external=True, company="USMF", enabled=False)
OPTIONS = UserOptions(
    provider="graph", last_choice="smtp", ask_again=False, sender="support@contoso.com", workflow_notifications=True
)


@pytest.fixture(params=["memory", "azure"])
async def users(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield memory_stores().users
        return
    async with all_azure_stores(request.getfixturevalue("storage_connection")) as stores:
        yield stores.users


async def keep(users, *ids, **fields):
    await asyncio.gather(*(users.write(KnownUser(User(id=one, **fields), UserOptions())) for one in ids))


async def ids(users, **query):
    return [user.id for user in (await users.page(UserQuery(**query))).items]


@pytest.mark.parametrize(
    ("user", "options"),
    [(ANN, OPTIONS), (User(id="ann"), UserOptions())],
    ids=["with everything", "with nothing"],
)
async def test_user_is_read_as_written(users, user, options):
    written = await users.write(KnownUser(user, options))
    assert await users.get("ann") == written == KnownUser(user, options, written.etag)
    assert written.etag


async def test_user_that_nobody_wrote_is_none(users):
    assert await users.get("ann") is None


@pytest.mark.parametrize(
    ("user_id", "same"),
    [
        ("Ann", "aNN"),
        ("ann.o'neil+x@contoso.com", "ANN.O'Neil+X@contoso.com"),
        ("Jürgen", "JU\u0308RGEN"),
        ("王", "王"),
        ("x" * 128, "X" * 128),
    ],
)
async def test_id_is_the_same_in_any_case_and_stays_as_it_was_written(users, user_id, same):
    await keep(users, user_id)
    assert (await users.get(same)).user.id == user_id
    with pytest.raises(LostRace):
        await keep(users, same)


async def test_value_that_is_gone_is_not_kept(users):
    written = await users.write(KnownUser(ANN, OPTIONS))
    await users.write(KnownUser(User(id="ann"), UserOptions(), written.etag))
    read = await users.get("ann")
    assert (read.user, read.options) == (User(id="ann"), UserOptions())


async def test_user_is_not_written_over_another_s(users):
    first = await users.write(KnownUser(ANN, OPTIONS))
    await users.write(replace(first, user=replace(ANN, name="Second")))
    for old in (first, replace(first, etag=None)):
        with pytest.raises(LostRace):
            await users.write(old)
    with pytest.raises(LostRace):
        await users.delete(first)
    assert (await users.get("ann")).user.name == "Second"


async def test_deleted_user_is_gone_and_no_next_version_brings_it_back(users):
    known = await users.write(KnownUser(ANN, OPTIONS))
    for _ in range(2):
        await users.delete(known)
    with pytest.raises(LostRace):
        await users.write(known)
    assert await users.get("ann") is None


async def test_users_are_listed_page_by_page_in_the_order_of_their_ids(users):
    await keep(users, "Eve", "bob", "Ann", "dan", "carol")
    first = await users.page(UserQuery(limit=2))
    second = await users.page(UserQuery(limit=2, after=first.next))
    third = await users.page(UserQuery(limit=2, after=second.next))
    pages = [[user.id for user in page.items] for page in (first, second, third)]
    assert pages == [["Ann", "bob"], ["carol", "dan"], ["Eve"]]
    assert (first.next, third.next) == ("bob", None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"text": "NN"}, ["ann", "hannah"]),
        ({"text": "öst"}, ["bob"]),
        ({"text": "@example"}, ["hannah"]),
        ({"enabled": True}, ["ann", "hannah"]),
        ({"enabled": False}, ["bob"]),
        ({"text": "nn", "enabled": True, "after": "ann"}, ["hannah"]),
        ({"text": "zz"}, []),
    ],
)
async def test_users_are_found_by_a_part_of_id_name_or_address(users, query, expected):
    await keep(users, "ann", name="Ann")
    await keep(users, "bob", name="ÖSTERREICH", enabled=False)
    await keep(users, "hannah", email="h@Example.com")
    assert await ids(users, **query) == expected


async def test_rare_match_is_looked_for_in_bounded_steps(users, monkeypatch):
    monkeypatch.setattr(azure_users, "EXAMINED_A_PAGE", 3)
    await keep(users, *(f"user{number}" for number in range(8)), "wanted")
    found, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = await users.page(UserQuery(text="wanted", after=after))
        found, after, pages = [*found, *page.items], page.next, pages + 1
    assert [user.id for user in found] == ["wanted"]
    assert pages <= 4


async def test_import_adds_changes_what_it_names_and_leaves_options(users):
    await users.write(KnownUser(ANN, OPTIONS))
    await users.merge(
        [
            UserRow("ANN", {"email": None, "enabled": True}),
            UserRow("bob", {"name": "Bob", "email": "bob@contoso.com"}),
        ]
    )
    ann, bob = await users.get("ann"), await users.get("bob")
    assert (ann.user, ann.options) == (replace(ANN, id="ANN", email=None, enabled=True), OPTIONS)
    assert (bob.user, bob.options) == (User(id="bob", name="Bob", email="bob@contoso.com"), UserOptions())
    assert await ids(users) == ["ANN", "bob"]


async def test_hundred_users_are_imported_at_once(users):
    await users.merge([UserRow(f"user{number:03}", {}) for number in range(100)])
    assert len(await ids(users, limit=500)) == 100


async def test_import_makes_what_was_read_before_an_old_version(users):
    known = await users.write(KnownUser(ANN, OPTIONS))
    await users.merge([UserRow("ann", {"name": "Imported"})])
    with pytest.raises(LostRace):
        await users.write(known)
