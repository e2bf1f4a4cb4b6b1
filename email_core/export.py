"""Many emails at once, page by page: as many as were asked for, or as a bounded time allows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from email_core.stores.base import EmailQuery, Page

PAGE = 500  # emails that are in memory at once
LONGEST = timedelta(seconds=20)  # a caller waits for it, and a gateway between may not wait longer than 30


async def pages(
    page_of: Callable[[EmailQuery], Awaitable[Page]], query: EmailQuery, clock: Callable[[], datetime]
) -> AsyncIterator[Page]:
    """Pages that hold `query.limit` emails together. The last one's `next` says where to continue."""
    left, until = query.limit, clock() + LONGEST
    while True:
        page = await page_of(replace(query, limit=min(PAGE, left)))
        yield page
        left -= len(page.items)
        if page.next is None or left == 0 or clock() >= until:
            return
        query = replace(query, after=page.next)
