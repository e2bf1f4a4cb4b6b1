"""The files of a draft: small ones in one request, larger ones through an upload session, in ranges, in order
(facts/graph.md, "Draft path")."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from email_core.content import Content
from email_core.providers.base import Outcome, OutcomeKind
from email_core.providers.graph.client import GraphClient, Trace, message_path
from email_core.providers.graph.large import File, contents
from email_core.providers.graph.outcome import Answer, Refused

SESSION_FROM = 3_000_000  # octets of a file
RANGE = 11 * 320 * 1024  # octets: under 4 MB
TRIES = 4  # of one range, and of the session of one file
WAITS = (0.5, 1.0, 2.0)  # seconds between them
SESSION_IS_GONE = frozenset({401, 403, 404, 409, 410, 416})
REPEATED = frozenset({200, 202, 408, 500, 502, 503, 504, 509})  # the first two say that octets are missing
MOST_DIGITS = 15  # of an octet's place

Pause = Callable[[float], Awaitable[None]]


class SessionLost(Exception):
    """The session of a file has to begin anew. `refused` is what was answered."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.refused = refused


class Upload:
    """All files of one draft."""

    def __init__(
        self,
        client: GraphClient,
        mailbox: str,
        draft: str,
        trace: Trace,
        *,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._client = client
        self._path = message_path(mailbox, draft)
        self._trace = trace
        self._pause = pause

    async def run(self, content: Content, files: tuple[File, ...]) -> None:
        """Raises Refused, or what the content raises. The content is read once, but where a session has to begin
        anew in the middle of a file."""
        left, tries = files, 0
        while left:
            done, lost = await self._run(content, left)
            tries = 1 if done else tries + 1
            left = left[done:]
            if lost is not None:
                if tries >= TRIES:
                    raise lost.refused
                await self._pause(WAITS[tries - 1])

    async def _run(self, content: Content, files: tuple[File, ...]) -> tuple[int, SessionLost | None]:
        """How many were attached, and what kept the next one from it."""
        async with aclosing(contents(content, files)) as pieces:
            for done, file in enumerate(files):
                try:
                    await self._attach(file, _of_one(pieces))
                except SessionLost as lost:
                    return done, lost
        return len(files), None

    async def _attach(self, file: File, pieces: AsyncIterator[bytes]) -> None:
        if file.size < SESSION_FROM:
            await self._post(file, b"".join([piece async for piece in pieces]))
            return
        ranges = _ranges(pieces)
        first = await anext(ranges)
        url, sent = await self._begin(file, first), len(first)
        async for octets in ranges:
            await self._put(url, octets, sent, file.size)
            sent += len(octets)

    async def _post(self, file: File, octets: bytes) -> None:
        attachment = {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": file.name,
            "contentType": file.content_type,
            "isInline": file.inline,
            "contentBytes": base64.b64encode(octets).decode(),
        }
        if file.content_id:
            attachment["contentId"] = file.content_id
        await self._client.call(
            "attach", "POST", f"{self._path}/attachments", trace=self._trace, wanted={201}, json=attachment
        )

    async def _begin(self, file: File, first: bytes) -> str:
        """A session whose first range is there, and its address. Graph may not know a draft that it just made: then the
        session is made anew (facts/graph.md, 4), with the range that is still at hand."""
        for tries in range(1, TRIES + 1):
            url = await self._session(file)
            try:
                await self._put(url, first, 0, file.size)
            except SessionLost as lost:
                if tries == TRIES:
                    raise lost.refused from lost
                await self._pause(WAITS[tries - 1])
                continue
            return url
        raise AssertionError("the last try returns or raises")

    async def _session(self, file: File) -> str:
        item = {
            "attachmentType": "file",
            "name": file.name,
            "size": file.size,
            "contentType": file.content_type,
            "isInline": file.inline,
        }
        if file.content_id:
            item["contentId"] = file.content_id
        answer = await self._client.call(
            "session",
            "POST",
            f"{self._path}/attachments/createUploadSession",
            trace=self._trace,
            wanted={201},
            json={"AttachmentItem": item},
        )
        url = answer.member("uploadUrl")
        if not _is_address(url):
            raise Refused(_transient("Graph gave no address to upload to"), answer)
        return str(url)

    async def _put(self, url: str, octets: bytes, first: int, total: int) -> None:
        """One range, to its end. What broke off is asked for and goes on from there. Raises SessionLost or Refused."""
        start, end = first, first + len(octets)
        for tries in range(1, TRIES + 1):
            # When the last octet has come the file is attached, and a session that is gone may be one that has ended:
            # begun anew, it would attach the file a second time. Then the whole draft is given up.
            may_be_attached = end == total and tries > 1
            try:
                answer = await self._client.put_range(self._trace, url, octets[start - first :], start, total)
                if _has_taken(answer, end, total):
                    return
                refused = self._client.refused_by_session(answer)
            except Refused as error:
                refused = error
            _check_repeatable(refused, may_be_attached=may_be_attached)
            if tries == TRIES:
                raise refused
            await self._pause(WAITS[tries - 1])
            start = await self._expected(url, start, may_be_attached=end == total)
            if start == end < total:
                return
            if not first <= start < end:
                raise refused if end == total else SessionLost(refused)
        raise AssertionError("the last try returns or raises")

    async def _expected(self, url: str, asked_for: int, *, may_be_attached: bool) -> int:
        """The octet that the session waits for. Where it does not say, the one that was sent last."""
        answer = await self._client.get_session(self._trace, url)
        if answer.status in SESSION_IS_GONE:
            refused = self._client.refused_by_session(answer)
            raise refused if may_be_attached else SessionLost(refused)
        expected = _first_expected(answer) if answer.status == 200 else None
        return asked_for if expected is None else expected


def _has_taken(answer: Answer, end: int, total: int) -> bool:
    """Whether all octets up to `end` are there: the last ones are answered by 201 alone (facts/graph.md, 3)."""
    if end == total:
        return answer.status == 201
    return answer.status in (200, 202) and _first_expected(answer) in (None, end)


def _first_expected(answer: Answer) -> int | None:
    ranges = answer.member("nextExpectedRanges")
    first = str(ranges[0]).partition("-")[0] if isinstance(ranges, list) and ranges else ""
    return int(first) if first.isdecimal() and len(first) <= MOST_DIGITS else None


def _is_address(url: Any) -> bool:
    import httpx  # as late as the client does it

    try:
        return isinstance(url, str) and httpx.URL(url).scheme == "https" and bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        return False


def _check_repeatable(refused: Refused, *, may_be_attached: bool) -> None:
    """Raises what is not to be tried again here: SessionLost, or the refusal itself."""
    answer = refused.answer
    if answer is None:
        return  # the connection broke off
    if answer.status in SESSION_IS_GONE and not may_be_attached:
        raise SessionLost(refused)
    if answer.status not in REPEATED or "retry-after" in answer.headers:
        raise refused


async def _of_one(pieces: AsyncIterator[tuple[File, bytes]]) -> AsyncIterator[bytes]:
    async for _, octets in pieces:
        if not octets:
            return
        yield octets


async def _ranges(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same octets, `RANGE` at a time."""
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        while len(buffer) >= RANGE:
            yield bytes(buffer[:RANGE])
            del buffer[:RANGE]
    if buffer:
        yield bytes(buffer)


def _transient(words: str) -> Outcome:
    return Outcome(kind=OutcomeKind.TRANSIENT, reply=words, stage="request")
