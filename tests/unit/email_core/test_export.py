"""How many emails one export reads, and for how long."""

from email_core.export import LONGEST, PAGE, pages
from email_core.stores.base import EmailQuery, Page, View
from email_core.stores.memory import MemoryEmailStore
from tests.support.emails import Clock, email


async def exported(limit: int, number: int) -> list[int]:
    store = MemoryEmailStore()
    for _ in range(number):
        await store.insert(email(), b"")
    query = EmailQuery(view=View.UNSENT, limit=limit)
    return [len(page.items) async for page in pages(store.page, query, Clock())]


async def test_as_many_are_read_as_were_asked_for_in_pages():
    assert await exported(limit=2 * PAGE + 7, number=3 * PAGE) == [PAGE, PAGE, 7]


async def test_all_are_read_where_there_are_less():
    assert await exported(limit=3 * PAGE, number=PAGE + 1) == [PAGE, 1]


async def test_reading_ends_in_time_and_says_where_to_continue():
    clock = Clock()

    async def slow(query: EmailQuery) -> Page:
        clock.now += LONGEST / 2
        return Page((), f"after {query.after}")

    found = [page.next async for page in pages(slow, EmailQuery(view=View.HISTORY), clock)]
    assert found == ["after None", "after after None"]
