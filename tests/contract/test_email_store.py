"""What every email store must do: one suite over all of them."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from email_core.content import whole
from email_core.delivery_state import Event, Status
from email_core.email_id import partition_of
from email_core.errors import ContentDeleted, LostRace, StorageUnavailable
from email_core.message import Address
from email_core.record import Attempt, EmailRecord, Mode, RecipientResult
from email_core.settlement import RECIPIENT_REPLY_KEPT
from email_core.storage_clients import StorageClients
from email_core.stores.azure.names import EMAILS_TABLE
from email_core.stores.base import INLINE_CONTENT_LIMIT, EmailQuery, EmailStore, Owner, StoredEmail, View
from email_core.stores.memory import MemoryEmailStore
from tests.support.emails import NOON, email
from tests.support.storage import azure_stores
from tests.support.storage_proxy import storage_proxy

MIME = b"Subject: Statement\r\n\r\nHello\r\n"
UNSENT, HISTORY = EmailQuery(view=View.UNSENT), EmailQuery(view=View.HISTORY)


@pytest.fixture(params=["memory", "azure"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[EmailStore]:
    if request.param == "memory":
        yield MemoryEmailStore()
        return
    async with azure_stores(request.getfixturevalue("storage_connection")) as (emails, _):
        yield emails


def claimed(record: EmailRecord) -> EmailRecord:
    return record.after(Event.CLAIM, NOON, claims=record.claims + 1, lease_until=NOON + timedelta(minutes=6))


def sent(record: EmailRecord) -> EmailRecord:
    attempt = Attempt(NOON, "smtp", "delivered", "250 OK", 0.25)
    return claimed(record).with_attempt(attempt).after(Event.SEND, NOON)


async def keep(store: EmailStore, record: EmailRecord, *, ended: bool = False) -> StoredEmail:
    stored = await store.insert(record, MIME)
    if ended:
        await store.end(stored, sent(record))
    return stored


async def ids(store: EmailStore, query: EmailQuery) -> list[str]:
    return [record.id for record in (await store.page(query)).items]


async def test_inserted_email_is_read_back_whole(store):
    record = email(
        user="ann",
        to=(Address("bob@example.com", "Bøb"), Address("eve@example.com")),
        cc=(Address("cc@example.com"),),
        bcc=(Address("bcc@example.com"),),
        subject="Übersicht",
        metadata={"order": "42"},
        send_at=NOON + timedelta(hours=1),
        expires_at=NOON + timedelta(days=1, microseconds=123456),
    )
    await store.insert(record, MIME)
    assert (await store.get(record.id)).record == record


async def test_largest_record_that_the_limits_allow_is_read_back_whole(store):
    """500 recipients, with the longest names and replies, of characters that no compression helps with."""
    letters = [chr(0x20000 + number) for number in range(0x8000)]
    chance = random.Random(1)
    to = tuple(
        Address(
            f"{number}{chance.randbytes(24).hex()}@{'long-domain.' * 15}example", "".join(chance.choices(letters, k=80))
        )
        for number in range(500)
    )
    replies = {
        one.address: RecipientResult(Status.FAILED, "".join(chance.choices(letters, k=RECIPIENT_REPLY_KEPT)))
        for one in to
    }
    metadata = {str(number): "".join(chance.choices(letters, k=80)) for number in range(50)}
    attempts = tuple(
        Attempt(NOON, "smtp", "transient", "".join(chance.choices(letters, k=500)), 0.1, "unknown") for _ in range(20)
    )
    record = email(to=to, results=replies, metadata=metadata, attempts=attempts)
    await store.insert(record, MIME)
    assert (await store.get(record.id)).record == record


@pytest.mark.parametrize("recipients", [100, 140, 150, 160, 170, 180])
async def test_names_beyond_the_basic_plane_fit_at_every_size(store, recipients):
    """A table counts UTF-16: an emoji is two."""
    record = email(to=tuple(Address(f"{number}@example.com", "\U0001f600" * 80) for number in range(recipients)))
    stored = await store.insert(record, MIME)
    assert (await store.update(stored, claimed(record))).record == claimed(record)


async def test_unknown_id_is_none(store):
    assert await store.get(email().id) is None


@pytest.mark.parametrize("size", [0, 1, INLINE_CONTENT_LIMIT, INLINE_CONTENT_LIMIT + 1, 5_000_000])
async def test_content_comes_back_octet_for_octet(store, size):
    mime = bytes(number % 256 for number in range(size))
    record = email()
    await store.insert(record, mime)
    assert await whole(await store.content(await store.get(record.id))) == mime


async def test_content_survives_the_move_to_the_history(store):
    record = email()
    await keep(store, record, ended=True)
    assert await whole(await store.content(await store.get(record.id))) == MIME


async def test_update_writes_the_next_version(store):
    stored = await keep(store, email())
    await store.update(stored, claimed(stored.record))
    assert (await store.get(stored.record.id)).record == claimed(stored.record)


async def test_update_from_the_version_just_written_succeeds(store):
    stored = await keep(store, email())
    again = await store.update(stored, claimed(stored.record))
    returned = again.record.after(Event.RETURN, NOON, next_attempt_at=NOON + timedelta(minutes=1))
    await store.update(again, returned)
    assert (await store.get(stored.record.id)).record == returned


async def test_update_of_an_older_version_loses_and_writes_nothing(store):
    stored = await keep(store, email())
    await store.update(stored, claimed(stored.record))
    with pytest.raises(LostRace):
        await store.update(stored, replace(stored.record, deferrals=7))
    assert (await store.get(stored.record.id)).record.deferrals == 0


async def test_end_of_an_older_version_loses_and_moves_nothing(store):
    stored = await keep(store, email())
    await store.update(stored, claimed(stored.record))
    with pytest.raises(LostRace):
        await store.end(stored, stored.record.after(Event.CANCEL, NOON))
    assert (await store.get(stored.record.id)).record.status is Status.SENDING


@pytest.mark.parametrize("write", ["update", "end"])
async def test_what_has_ended_is_never_written_again(store, write):
    stored = await keep(store, email(), ended=True)
    with pytest.raises(LostRace):
        await getattr(store, write)(stored, sent(replace(stored.record, claims=7)))


async def test_writes_at_once_succeed_but_for_those_of_older_versions(store):
    stored = [await keep(store, email()) for _ in range(40)]
    old = {one.record.id for one in stored[::5]}
    for one in stored[::5]:
        await store.update(one, replace(one.record, deferrals=1))

    async def write(one: StoredEmail, number: int) -> str:
        try:
            if number % 2:
                await store.update(one, claimed(one.record))
            else:
                await store.end(one, sent(one.record))
        except LostRace:
            return one.record.id
        return ""

    lost = await asyncio.gather(*(write(one, number) for number, one in enumerate(stored)))
    assert set(filter(None, lost)) == old
    for number, one in enumerate(stored):
        status = (await store.get(one.record.id)).record.status
        expected = Status.UNSENT if one.record.id in old else Status.SENDING if number % 2 else Status.SENT
        assert status is expected


async def test_one_of_many_claims_of_the_same_version_wins(store):
    stored = await keep(store, email())

    async def claim(number: int) -> bool:
        try:
            await store.update(stored, replace(claimed(stored.record), claimed_by=str(number)))
        except LostRace:
            return False
        return True

    assert sum(await asyncio.gather(*map(claim, range(25)))) == 1


async def test_many_large_emails_inserted_at_once_are_all_kept(store):
    mime = bytes(INLINE_CONTENT_LIMIT)
    records = [email() for _ in range(120)]
    await asyncio.gather(*(store.insert(record, mime) for record in records))
    assert len((await store.page(replace(UNSENT, limit=500))).items) == 120


async def test_email_is_in_one_view_at_a_time(store):
    waiting, over = email(), email()
    await keep(store, waiting)
    await keep(store, over, ended=True)
    assert await ids(store, UNSENT) == [waiting.id]
    assert await ids(store, HISTORY) == [over.id]


async def test_list_is_newest_first_across_days_and_shards(store):
    moments = [NOON - timedelta(hours=13 * number) for number in range(6)]
    records = [email(at, shard) for at in moments for shard in (5, 0, 2)]
    for record in reversed(records):
        await keep(store, record, ended=True)
    listed = await ids(store, HISTORY)
    assert listed == sorted(record.id for record in records)
    assert [listed[0][:13], listed[-1][:13]] == [records[0].id[:13], records[-1].id[:13]]


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_pages_follow_each_other_without_gap_or_repeat(store, limit):
    records = [email(NOON - timedelta(hours=9 * number), number % 3) for number in range(7)]
    for record in records:
        await keep(store, record, ended=True)
    seen, after = [], None
    for _ in range(7):
        page = await store.page(replace(HISTORY, limit=limit, after=after))
        assert len(page.items) <= limit
        seen += [record.id for record in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [record.id for record in records]


async def test_page_that_is_full_and_last_has_no_next(store):
    await keep(store, email(), ended=True)
    assert (await store.page(replace(HISTORY, limit=1))).next is None


FILTERS = {
    "status": ({"status": Status.FAILED}, {}),
    "sender in any case": ({"sender": "Eve@Contoso.com"}, {"sender": Address("eve@contoso.COM")}),
    "recipient among bcc": ({"recipient": "X@example.com"}, {"bcc": (Address("x@example.com"),)}),
    "provider": ({"provider": "graph"}, {"provider": "graph"}),
    "mode": ({"mode": Mode.INTERACTIVE}, {"mode": Mode.INTERACTIVE}),
    "user with a quote": ({"user": "o'neil"}, {"user": "o'neil"}),
    "handed over by": ({"owner": Owner("app:x", None)}, {"accepted_by": "app:x"}),  # and not those of no user
    "on behalf of": ({"owner": Owner("user:x", "o'neil")}, {"user": "o'neil", "accepted_by": "app:y"}),
    "part of the subject": ({"subject": "ÜBER"}, {"subject": "Die Übersicht"}),
    "since": ({"since": NOON + timedelta(minutes=1)}, {"at": NOON + timedelta(minutes=1)}),
    "until": ({"until": NOON}, {"at": NOON - timedelta(days=2)}),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_filter_finds_only_what_matches(store, name):
    wanted, about = FILTERS[name]
    await keep(store, email(), ended=True)
    match = email(**about)
    if name == "status":
        stored = await store.insert(match, MIME)
        await store.end(stored, claimed(match).after(Event.FAIL, NOON))
    else:
        await keep(store, match, ended=True)
    assert await ids(store, replace(HISTORY, **wanted)) == [match.id]


async def test_rare_match_behind_many_days_is_reached_by_following_next(store):
    match = email(NOON - timedelta(days=40), subject="Needle")
    await keep(store, match, ended=True)
    for days in range(40):
        await keep(store, email(NOON - timedelta(days=days)), ended=True)
    query, found = replace(HISTORY, subject="needle"), []
    for _ in range(3):
        page = await store.page(query)
        found += [record.id for record in page.items]
        if page.next is None:
            break
        query = replace(query, after=page.next)
    assert found == [match.id]


async def waiting(store: EmailStore) -> list[str]:
    return [one.record.id for part in await store.unsettled_partitions() async for one in store.waiting(part)]


async def test_waiting_mail_of_every_partition_is_found_and_what_ended_is_not(store):
    unsent = [email(NOON - timedelta(days=days), shard) for days in range(3) for shard in (0, 7)]
    for record in unsent:
        await keep(store, record)
        await keep(store, email(record.created_at), ended=True)
    assert sorted(await waiting(store)) == sorted(record.id for record in unsent)


async def test_waiting_mail_can_be_updated_from_the_list(store):
    await keep(store, email())
    (partition,) = await store.unsettled_partitions()
    (listed,) = [one async for one in store.waiting(partition)]
    await store.update(listed, replace(listed.record, parked=True))
    stored = await store.get(listed.record.id)
    assert stored.record.parked
    assert await whole(await store.content(stored)) == MIME


async def test_update_from_the_list_leaves_the_content_unread(store):
    await keep(store, email())
    (partition,) = await store.unsettled_partitions()
    (listed,) = [one async for one in store.waiting(partition)]
    updated = await store.update(listed, claimed(listed.record))
    assert (listed.inline, updated.inline) == (None, None)
    with pytest.raises(ValueError, match="without its content"):
        await store.end(updated, sent(listed.record))


@pytest.mark.parametrize("whole", [0, 1, 3, 4, 5, 9])
async def test_newest_emails_of_a_partition_are_listed_with_their_content(store, whole):
    records = [email(NOON - timedelta(seconds=number)) for number in range(4)]
    large = email(NOON - timedelta(seconds=9), size=100_000)
    for record in records:
        await store.insert(record, record.id.encode())
    await store.insert(large, bytes(100_000))
    await keep(store, email(), ended=True)
    await keep(store, email(shard=1))
    listed = [one async for one in store.waiting(partition_of(large.id), whole)]
    contents = [record.id.encode() if place < whole else None for place, record in enumerate(records)]
    assert [(one.record, one.inline) for one in listed] == [*zip(records, contents, strict=True), (large, None)]
    await store.end(listed[-1], sent(large))
    if whole:
        await store.end(listed[0], sent(records[0]))


async def test_unsent_emails_between_two_are_read_with_their_content(store):
    small = [email(NOON - timedelta(seconds=number)) for number in range(4)]
    large = email(NOON - timedelta(seconds=2, milliseconds=1), size=100_000)
    over, elsewhere = email(small[2].created_at), email(small[2].created_at, shard=1)
    for record in small:
        await store.insert(record, record.id.encode())
    await store.insert(large, bytes(100_000))
    await keep(store, over, ended=True)
    await keep(store, elsewhere)
    read = await store.unsent(small[1].id, large.id)
    assert [(one.record, one.inline) for one in read] == [
        (small[1], small[1].id.encode()),
        (small[2], small[2].id.encode()),
        (large, None),
    ]
    for one in read:
        await store.end(one, sent(one.record))
    assert await store.unsent(small[1].id, large.id) == []


async def test_settled_partition_is_not_looked_at_again_but_keeps_its_history(store):
    record = email()
    await keep(store, record, ended=True)
    for partition in await store.unsettled_partitions():
        await store.settle(partition)
    assert await store.unsettled_partitions() == []
    assert await ids(store, HISTORY) == [record.id]


async def purge_all(store: EmailStore, before) -> int:
    count, partitions = 0, [one async for one in store.partitions_until(before)]
    for partition in partitions:
        again = True
        while again:
            deleted, again = await store.purge(partition, before)
            count += deleted
    return count


async def test_purge_deletes_what_ended_before_with_its_content(store):
    old = [email(NOON - timedelta(days=40), shard, size=100_000) for shard in (0, 1)]
    for record in old:
        stored = await store.insert(record, bytes(100_000))
        await store.end(stored, replace(sent(record), ended_at=NOON - timedelta(days=40)))
    late, unsent = email(NOON - timedelta(days=40)), email(NOON - timedelta(days=40))
    await keep(store, late, ended=True)
    await keep(store, unsent)
    assert await purge_all(store, NOON - timedelta(days=30)) == 2
    assert [await store.get(record.id) for record in old] == [None, None]
    assert await whole(await store.content(await store.get(late.id))) == MIME
    assert await waiting(store) == [unsent.id]


@pytest.mark.slow
async def test_purge_of_many_takes_several_calls_and_leaves_nothing(store):
    records = [email(NOON - timedelta(days=40)) for _ in range(1_100)]
    await asyncio.gather(*(keep(store, record, ended=True) for record in records))
    assert await purge_all(store, NOON + timedelta(days=1)) == 1_100
    assert [one async for one in store.partitions_until(NOON)] == []


# ---- content apart from its record

SIZES = [len(MIME), 100_000]


async def content_of(store: EmailStore, record: EmailRecord) -> bytes:
    return await whole(await store.content(await store.get(record.id)))


async def with_content(store: EmailStore) -> list[str]:
    return [one async for one in store.partitions_with_content(NOON + timedelta(days=1))]


@pytest.mark.parametrize("size", SIZES)
async def test_store_that_forgets_content_deletes_it_when_an_email_ends(store, size):
    record = email(size=size)
    stored = await store.forgetting_content().insert(record, bytes(size))
    assert await content_of(store, record) == bytes(size)
    await store.forgetting_content().end(stored, sent(record))
    assert (await store.get(record.id)).record == replace(sent(record), content_deleted=True)
    with pytest.raises(ContentDeleted):
        await content_of(store, record)
    assert await ids(store, HISTORY) == [record.id]


@pytest.mark.parametrize("size", SIZES)
async def test_purge_of_content_keeps_the_records(store, size):
    old, new, unsent = (email(NOON - timedelta(days=8), size=size) for _ in range(3))
    for record in (old, new, unsent):
        await store.insert(record, bytes(size))
    for record, at in ((old, NOON - timedelta(days=8)), (new, NOON)):
        await store.end(await store.get(record.id), replace(sent(record), ended_at=at))
    (partition,) = await with_content(store)
    assert await store.purge_content(partition, NOON - timedelta(days=7)) == (1, False)
    assert await store.purge_content(partition, NOON - timedelta(days=7)) == (0, False)
    assert (await store.get(old.id)).record.content_deleted
    with pytest.raises(ContentDeleted):
        await content_of(store, old)
    assert [await content_of(store, one) for one in (new, unsent)] == [bytes(size)] * 2
    assert len(await ids(store, HISTORY)) == 2


async def test_partition_is_left_alone_when_it_has_no_content_any_more(store):
    record, unsent = email(), email()
    await keep(store, record, ended=True)
    await keep(store, unsent)
    (partition,) = await with_content(store)
    await store.purge_content(partition, NOON + timedelta(days=1))
    await store.settle_content(partition)
    assert await with_content(store) == [partition], "what is unsent has its content"
    await store.end(await store.get(unsent.id), sent(unsent))
    await store.settle_content(partition)
    assert await with_content(store) == [partition], "what ended since has its content"
    await store.purge_content(partition, NOON + timedelta(days=1))
    await store.settle_content(partition)
    assert await with_content(store) == []


@pytest.mark.parametrize("size", SIZES)
async def test_record_whose_content_was_deleted_is_purged_like_any_other(store, size):
    record = email(NOON - timedelta(days=40), size=size)
    stored = await store.insert(record, bytes(size))
    await store.forgetting_content().end(stored, sent(record))
    assert await purge_all(store, NOON + timedelta(days=1)) == 1
    assert await store.get(record.id) is None
    assert await with_content(store) == []


async def test_first_piece_of_content_is_there_when_it_is_opened(storage_connection):
    """It is opened before the email's moment and read in it, up to six seconds later."""
    mime = bytes(range(256)) * 16_384  # 4 MiB
    async with storage_proxy(storage_connection) as proxy, azure_stores(proxy.connection) as (store, _):
        content = await store.content(await store.insert(email(), mime))
        proxy.forget()
        assert (await whole(content) == mime, proxy.counts.total()) == (True, 0)


async def test_small_content_is_forgotten_without_a_second_write(storage_connection):
    async with storage_proxy(storage_connection) as proxy, azure_stores(proxy.connection) as (store, _):
        stored = await store.insert(email(), MIME)
        proxy.forget()
        await store.forgetting_content().end(stored, sent(stored.record))
        assert proxy.counts.total() == 1


async def test_blob_that_could_not_be_deleted_is_deleted_by_the_next_purge(storage_connection):
    async with azure_stores(storage_connection) as (store, _):
        record = email(size=100_000)
        stored = await store.insert(record, bytes(100_000))
        forgetting = store.forgetting_content()

        async def refuse(rows):
            raise StorageUnavailable("delete")

        forgetting._delete_content = refuse
        await forgetting.end(stored, sent(record))
        assert not (await store.get(record.id)).record.content_deleted
        await store.purge_content(partition_of(record.id), NOON + timedelta(days=1))
        assert [name async for name in store._content.list_blob_names()] == []


async def test_purge_goes_on_where_the_service_answers_in_small_pages(storage_connection):
    """It may do so, down to empty ones, where it looks through many rows that are not wanted."""
    async with azure_stores(storage_connection) as (store, _):
        for _ in range(3):
            await keep(store, email(), ended=True)
        query = store._emails.query_entities
        store._emails.query_entities = lambda *args, **kwargs: query(*args, **kwargs | {"results_per_page": 1})
        (partition,) = await with_content(store)
        assert await store.purge_content(partition, NOON + timedelta(days=1)) == (3, False)
        assert await store.purge(partition, NOON + timedelta(days=1)) == (3, False)


@pytest.mark.parametrize(("whole", "requests"), [(0, 1), (2, 2), (3, 1), (4, 1)])
async def test_listing_with_content_costs_no_request_more_where_that_is_all(storage_connection, whole, requests):
    async with storage_proxy(storage_connection) as proxy, azure_stores(proxy.connection) as (store, _):
        for _ in range(3):
            await store.insert(email(), MIME)
        proxy.forget()
        assert len([one async for one in store.waiting(partition_of(email().id), whole)]) == 3
        assert proxy.counts == {"table query": requests}


async def test_emails_are_listed_with_their_content_where_the_service_answers_in_small_pages(storage_connection):
    async with azure_stores(storage_connection) as (store, _):
        for _ in range(3):
            await store.insert(email(), MIME)
        query = store._emails.query_entities
        store._emails.query_entities = lambda *args, **kwargs: query(*args, **kwargs | {"results_per_page": 1})
        listed = [one async for one in store.waiting(partition_of(email().id), 2)]
        assert [one.inline for one in listed] == [MIME, MIME, None]


async def test_listed_email_is_not_ended_without_its_content(storage_connection):
    async with azure_stores(storage_connection) as (store, _):
        await store.insert(email(), MIME)
        (partition,) = await store.unsettled_partitions()
        (listed,) = [one async for one in store.waiting(partition)]
        with pytest.raises(ValueError, match="content"):
            await store.end(listed, sent(listed.record))


async def test_content_that_belongs_to_no_email_is_deleted_with_its_partition(storage_connection):
    async with azure_stores(storage_connection) as (store, _):
        orphan, other = email(NOON - timedelta(days=40)), email(NOON - timedelta(days=40))
        await store._upload(orphan.id, b"the process died before it wrote the record")
        await keep(store, other, ended=True)
        await purge_all(store, NOON + timedelta(days=1))
        assert [name async for name in store._content.list_blob_names()] == []


async def test_first_emails_of_a_partition_name_it_once(storage_connection):
    async with storage_proxy(storage_connection) as proxy, azure_stores(proxy.connection) as (store, _):
        proxy.forget()
        await asyncio.gather(*(store.insert(email(), MIME) for _ in range(20)))
        assert proxy.counts["table merge"] == 3


async def test_row_that_cannot_be_read_hides_no_other_and_keeps_its_partition_open(storage_connection, caplog):
    record = email()
    partition = partition_of(record.id)
    async with azure_stores(storage_connection) as (emails, _):
        await emails.insert(record, MIME)
        async with StorageClients({"EmailStorage": storage_connection}).tables() as tables:
            await tables.get_table_client(EMAILS_TABLE).create_entity({"PartitionKey": partition, "RowKey": "u-0"})
        assert [one.record.id async for one in emails.waiting(partition)] == [record.id]
        assert [one.id for one in (await emails.page(EmailQuery(view=View.UNSENT))).items] == [record.id]
        await emails.end(await emails.get(record.id), record.after(Event.CANCEL, NOON))
        await emails.settle(partition)
        assert await emails.unsettled_partitions() == [partition]
    assert "row u-0" in caplog.text
