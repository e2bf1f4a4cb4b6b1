"""One transaction: MAIL, RCPT for each recipient, DATA, and the content, piece by piece.

Where the server offers it, the commands before the content go in one go, or a few (RFC 2920). Their answers are read
one by one, and each means what it would have meant alone.

Before the last line of the content nothing can have been sent, whatever breaks; after it, a lost answer leaves the
email unconfirmed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple

from email_core.content import Content, InlineContent
from email_core.errors import LostRace, StorageUnavailable
from email_core.logs import where
from email_core.providers.base import Outcome, OutcomeKind, RecipientReply, RecipientVerdict, Submission
from email_core.providers.smtp.connection import COMMAND_SECONDS, AnsweredEarly, Connection, Heard
from email_core.providers.smtp.dialogue import ConnectionLost, OutOfStep
from email_core.providers.smtp.outcome import (
    Reply,
    beside_accepted,
    nobody_accepted,
    outcome_of_failure,
    outcome_of_reply,
    refusal_of_content,
    refusal_of_recipient,
    soonest,
)

ANSWER_SECONDS = 120.0  # for the answer to the content: servers look for viruses before they give it
MOST_IN_ONE_GO = 50  # commands: 13 KB with the longest addresses, so that neither side's buffers are full of them
WRITTEN_AT_ONCE = 128 * 1024  # octets: so much of a piece is copied, and waits in memory for a slow server
SLOWEST_UPLOAD = 50_000  # octets a second: the time-out of the content grows with its size

UTF_8 = "the server does not offer SMTPUTF8, which an address or header in UTF-8 needs"
EIGHT_BIT = "the server does not offer 8BITMIME, which the content needs: it has octets beyond ASCII"

TimeLeft = Callable[[], float]  # seconds

logger = logging.getLogger(__name__)


class Stale(Exception):
    """A kept connection was no good any more, and nothing was said on it: a new one can be used at once."""


class TooMany(Exception):
    """The whole transaction was refused for its many recipients: nothing was sent."""


class _EightBit(Exception):
    """Found in the middle of the content: before its end nothing was sent."""


class Taken(NamedTuple):
    """`left` are recipients for another transaction: the server takes no more of them in this one."""

    outcome: Outcome
    left: tuple[str, ...] = ()


class Transaction:
    """`stumbled`: the conversation broke off while the server had several commands at once."""

    def __init__(
        self,
        connection: Connection,
        submission: Submission,
        sender: str,
        recipients: tuple[str, ...],
        time_left: TimeLeft,
        heard: Heard,
        *,
        one_at_a_time: bool,
    ) -> None:
        self._connection = connection
        self.stumbled = False
        self._submission = submission
        self._sender = sender
        self._recipients = recipients[: connection.most_recipients]
        self._is_one_of_several = len(recipients) < len(submission.recipients)
        self._time_left = time_left
        self._heard = heard
        self._stage = "mail"
        self._one_at_a_time = one_at_a_time
        self._commands: list[bytes] = []  # MAIL, a RCPT for each recipient, DATA
        self._said = self._answered = 0  # how many of them
        self._may_be_sent = False
        self._beyond = self._left = recipients[len(self._recipients) :]  # of what the server takes in one transaction
        self._accepted: dict[str, RecipientReply] = {}
        self._refused: dict[str, tuple[RecipientReply, Outcome]] = {}

    async def run(self) -> Taken:
        """Raises Stale or TooMany, and then nothing was sent. All else that goes wrong is in the outcome."""
        outcome = await self._outcome()
        return Taken(outcome, self._left)  # whatever became of the others, these have had no turn

    async def _outcome(self) -> Outcome:
        """Raises Stale or TooMany."""
        try:
            if self._is_one_of_several:
                await self._keep_turn((*self._recipients, *self._beyond))
            return await self._whole()
        except (Stale, TooMany):
            raise
        except AnsweredEarly as error:
            return self._refusal(error.reply)
        except _EightBit:
            self._connection.close()
            return self._unfit(EIGHT_BIT)
        except OutOfStep as error:
            self._accepted, self._refused = {}, {}
            return self._lost(str(error))
        except ConnectionLost as error:
            return self._lost(str(error))
        except TimeoutError:
            return self._lost("timed out: there was no time left")
        except LostRace:
            return self._broken_off("another worker has it now")
        except StorageUnavailable:
            return self._broken_off("the storage did not answer before the email was handed over")
        except Exception as error:  # noqa: BLE001 - earlier transactions of this email must not be forgotten for it
            logger.error("an SMTP transaction raised: %s", where(error))
            return self._broken_off(f"internal error: {type(error).__name__}")

    async def _keep_turn(self, recipients: tuple[str, ...]) -> None:
        """Nobody else is in doubt where the worker dies from here on."""
        async with asyncio.timeout(self._time_left()):
            await self._submission.keep_progress({}, recipients)

    async def _whole(self) -> Outcome:
        """For small content the time that each answer may take is enough: a timer more costs a fiftieth of it."""
        content = self._submission.content
        if isinstance(content, InlineContent) and content.size <= WRITTEN_AT_ONCE:
            return await self._run(content.octets, None)
        async with asyncio.timeout(self._time_left()), aclosing(_pieces(content)) as pieces:
            return await self._run(await anext(pieces, b""), pieces)

    async def _run(self, first: bytes, rest: AsyncIterator[bytes] | None) -> Outcome:
        self._one_at_a_time = self._one_at_a_time or not self._connection.offers("pipelining")
        refusal = self._refused_before_mail(first)
        if refusal is not None:
            return refusal
        named = [b"RCPT TO:<%b>" % recipient.encode() for recipient in self._recipients]
        self._commands = [self._mail_command(first), *named, b"DATA"]
        reply = await self._begin()
        if reply.code >= 400:
            return outcome_of_reply("mail", reply)
        self._heard("mail", reply.text)
        self._stage = "rcpt"
        self._left = (*await self._name_recipients(), *self._beyond)
        self._stage = "data"
        return await self._hand_over(first, rest)

    async def _begin(self) -> Reply:
        """Raises Stale, or ConnectionLost."""
        is_reused = self._connection.was_kept
        self._connection.messages += 1
        self._connection.is_clean = False
        try:
            reply = await self._answer(0)
        except ConnectionLost as error:
            if is_reused:
                raise Stale from error
            raise
        if reply.code == 421 and is_reused:
            raise Stale
        return reply

    async def _answer(self, number: int) -> Reply:
        """To one of the commands, which is said now where it was not yet, and with it those behind it. Raises
        ConnectionLost; also where it can be no answer to this one: then those before it may be others' answers too."""
        if number >= self._said:
            most = 1 if self._one_at_a_time else MOST_IN_ONE_GO
            together = self._commands[number : number + most]
            self._connection.say(together)
            self._said = number + len(together)
        reply = await self._connection.hear(self._time_left())
        if not self._fits(number, reply):
            raise OutOfStep(f"{reply.code} is no answer to {self._commands[number][:4].decode()}")
        self._answered += 1
        return reply

    def _fits(self, number: int, reply: Reply) -> bool:
        is_data = number == len(self._commands) - 1
        return reply.code >= 400 or (reply.code == 354 if is_data else reply.code < 300)

    def _lost(self, words: str) -> Outcome:
        what = "the answer to the content was lost" if self._may_be_sent else "lost before the content was sent"
        self.stumbled = self._said > self._answered and not self._one_at_a_time
        return self._broken_off(f"{what}: {words}")

    def _broken_off(self, words: str) -> Outcome:
        """It is over, and the connection with it. Before the last line of the content nothing was sent."""
        self._connection.close()
        kind = OutcomeKind.UNCONFIRMED if self._may_be_sent else OutcomeKind.TRANSIENT
        return replace(outcome_of_failure(self._stage, words), kind=kind, recipients=self._refusals)

    # ---- the envelope

    def _refused_before_mail(self, first: bytes) -> Outcome | None:
        if self._needs_smtputf8(first) and not self._connection.offers("smtputf8"):
            self._refuse_unnameable()
            if self._needs_smtputf8(first):
                return self._unfit(UTF_8)
        if not (first.isascii() or self._takes_8_bit):
            return self._unfit(EIGHT_BIT)
        size, limit = self._submission.content.size, self._connection.size_limit
        if limit is not None and size > limit:
            words = f"the server takes {limit} octets (SIZE); the message has {size}"
            return self._unfit(words)
        return None

    def _refuse_unnameable(self) -> None:
        """Recipients whose address the server cannot be told, where there are others, who can have the email."""
        named = tuple(filter(str.isascii, self._recipients))
        if named:
            refusal = RecipientReply(RecipientVerdict.REFUSED, UTF_8), self._unfit(UTF_8)
            self._refused = {one: refusal for one in self._recipients if one not in named}
            self._recipients = named

    def _unfit(self, words: str) -> Outcome:
        return Outcome(kind=OutcomeKind.PERMANENT, reply=words, recipients=self._refusals, stage=self._stage)

    @property
    def _takes_8_bit(self) -> bool:
        return self._connection.offers("8bitmime") or self._connection.offers("smtputf8")

    def _mail_command(self, first: bytes) -> bytes:
        content = self._submission.content
        words = [b"MAIL FROM:<%b>" % self._sender.encode()]
        if self._connection.offers("size"):
            words.append(b"SIZE=%d" % content.size)
        if self._connection.offers("8bitmime") and not (isinstance(content, InlineContent) and first.isascii()):
            words.append(b"BODY=8BITMIME")  # of a stream nobody knows yet: it may be
        if self._needs_smtputf8(first):
            words.append(b"SMTPUTF8")
        return b" ".join(words)

    def _needs_smtputf8(self, first: bytes) -> bool:
        return needs_smtputf8(self._sender, self._recipients, first)

    async def _name_recipients(self) -> tuple[str, ...]:
        """Returns those that have no turn in this transaction: the server takes no more of them, or is too slow. Half
        of the time is the content's. Raises ConnectionLost."""
        content_s = self._time_left() / 2
        left: list[str] = []
        for number, recipient in enumerate(self._recipients, 1):
            is_slow = bool(self._accepted) and self._time_left() < content_s
            if number >= self._said and (left or is_slow):
                return (*left, *self._recipients[number - 1 :])
            reply = await self._answer(number)
            if reply.code == 421:  # the server closes the connection: no fault of this recipient
                raise ConnectionLost(reply.text)
            if reply.code < 300:
                self._heard("rcpt", reply.text)
                self._accepted[recipient] = RecipientReply(RecipientVerdict.ACCEPTED, reply.text)
            elif self._accepted and reply.says_too_many:
                left.append(recipient)
            else:
                self._refused[recipient] = refusal_of_recipient(reply)
        return tuple(left)

    # ---- the content

    async def _hand_over(self, first: bytes, rest: AsyncIterator[bytes] | None) -> Outcome:
        """Raises ConnectionLost."""
        if not self._accepted:
            return nobody_accepted(self._refused)
        self._refused = beside_accepted(self._refused)
        stuffing = DotStuffing()
        reply = await self._answer(len(self._commands) - 1)
        if reply.code != 354:
            return self._refusal(reply)
        if self._left or self._refused:
            await self._keep_turn(tuple(self._accepted))
        self._connection.begin_content()
        last = first if rest is None else await self._all_but_the_last(first, rest, stuffing)
        return await self._end(stuffing.stuffed(last) + stuffing.end())

    async def _all_but_the_last(self, first: bytes, rest: AsyncIterator[bytes], stuffing: "DotStuffing") -> bytes:
        """Uploads piece by piece, and returns the last one: it goes with what ends the content. Raises
        ConnectionLost or AnsweredEarly."""
        last, takes_8_bit = b"", self._takes_8_bit
        try:
            async with asyncio.timeout(COMMAND_SECONDS + self._upload_seconds):
                async for piece in _small(first, rest):
                    await self._connection.write(stuffing.stuffed(last))
                    last = piece
                    if not (takes_8_bit or piece.isascii()):
                        raise _EightBit
        except TimeoutError:
            self._connection.close()
            raise ConnectionLost("timed out: the server did not take the content") from None
        return last

    async def _end(self, last: bytes) -> Outcome:
        """Raises ConnectionLost or AnsweredEarly, and TimeoutError where there is no time left for the answer."""
        await self._connection.heed_early_answer()
        if self._time_left() <= 0:
            raise TimeoutError
        self._may_be_sent = True
        seconds = min(ANSWER_SECONDS + self._upload_seconds, self._time_left())
        reply = await self._connection.end_content(last, seconds)
        if reply.code >= 400:
            return self._refusal(reply)
        if reply.code >= 300:
            raise ConnectionLost(f"{reply.code} says nothing of it")
        self._heard("data", reply.text)
        self._connection.is_clean = True
        return self._delivered(reply)

    def _delivered(self, reply: Reply) -> Outcome:
        refusals = self._refusals
        return Outcome(
            kind=OutcomeKind.PARTLY_DELIVERED if refusals else OutcomeKind.DELIVERED,
            reply=reply.text,
            recipients={**self._accepted, **refusals} if refusals else {},
            retry_after=soonest(one for _, one in self._refused.values() if one.kind is not OutcomeKind.PERMANENT),
            stage="data",
            code=reply.code,
        )

    def _refusal(self, reply: Reply) -> Outcome:
        if reply.says_too_many and len(self._accepted) > 1:
            raise TooMany
        return refusal_of_content(reply, self._accepted, self._refused)

    @property
    def _refusals(self) -> dict[str, RecipientReply]:
        return {address: reply for address, (reply, _) in self._refused.items()}

    @property
    def _upload_seconds(self) -> float:
        return self._submission.content.size / SLOWEST_UPLOAD


class DotStuffing:
    """RFC 5321, 4.5.2: a line that begins with a dot gets one more, wherever the pieces are cut. Lines end with CRLF
    already, so that no pass over all octets is needed but this one."""

    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last two octets: with them a piece's first line is seen to begin

    def stuffed(self, piece: bytes) -> bytes:
        joined = self._tail + piece
        self._tail = joined[-2:]
        return joined.replace(b"\r\n.", b"\r\n..")[2:]

    def end(self) -> bytes:
        """What is missing for the last line to be whole."""
        return b"" if self._tail == b"\r\n" else b"\r\n"


def needs_smtputf8(sender: str, recipients: tuple[str, ...], first: bytes) -> bool:
    """Whether the envelope or a header is not ASCII (RFC 6531, RFC 6532): the server must offer it. `first` has the
    whole header."""
    head = first if first.isascii() else first[: first.find(b"\r\n\r\n")]
    return not (head.isascii() and "".join((sender, *recipients)).isascii())


async def _pieces(content: Content) -> AsyncGenerator[bytes, None]:
    async for piece in content.chunks():
        yield piece


async def _small(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(first), WRITTEN_AT_ONCE):
        yield first[start : start + WRITTEN_AT_ONCE]
    async for piece in rest:
        for start in range(0, len(piece), WRITTEN_AT_ONCE):
            yield piece[start : start + WRITTEN_AT_ONCE]
