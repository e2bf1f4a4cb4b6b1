"""What an attempt's outcome means for an email and for each of its recipients. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from email_core.delivery_state import Event, Status
from email_core.diagnosis import diagnose
from email_core.providers.base import Outcome, OutcomeKind, RecipientReply, RecipientVerdict
from email_core.record import Attempt, EmailRecord, RecipientResult, lasting
from email_core.retry import retry_wait

REPLY_KEPT = 500  # characters of a provider's reply
RECIPIENT_REPLY_KEPT = 200  # of what it said of one recipient: an email may have 500 of them
NO_TURN_YET = RecipientResult(Status.UNSENT, "")


def settle(
    claimed: EmailRecord, outcome: Outcome, *, at: datetime, seconds: float, now: datetime, chance: float
) -> EmailRecord:
    """The record after an attempt: what its outcome means for the email and for each recipient.

    An email is over when no recipient is open any more: Sent if anyone got it, else Failed.
    """
    if outcome.kind is OutcomeKind.DEFERRED:
        wait = retry_wait(claimed.deferrals + 1, chance=chance, asked=outcome.retry_after)
        return claimed.after(Event.RETURN, now, next_attempt_at=now + wait, deferrals=claimed.deferrals + 1)
    diagnosis = _diagnosis_of(claimed.provider, outcome)
    attempt = Attempt(at, claimed.provider, outcome.kind.value, _kept(outcome.reply), seconds, diagnosis, outcome.trace)
    record = claimed.with_attempt(attempt, results=_results(claimed, outcome))
    match outcome.kind:
        case OutcomeKind.DELIVERED:
            return record.after(Event.SEND, now)
        case OutcomeKind.PERMANENT:
            return record.after(Event.SEND if _anyone_got_it(record.results) else Event.FAIL, now)
        case OutcomeKind.PARTLY_DELIVERED if not record.open_recipients:
            return record.after(Event.SEND, now)
        case OutcomeKind.HELD:
            return record.after(Event.RETURN, now, held=True)
    wait = retry_wait(record.tries, chance=chance, asked=outcome.retry_after)
    return record.after(Event.RETURN, now, next_attempt_at=now + wait)


def proved(record: EmailRecord) -> Outcome:
    """The provider has it for those in doubt: others still wait for theirs."""
    reply = "the provider has it among what was sent"
    if not record.waiting_recipients:
        return Outcome(kind=OutcomeKind.DELIVERED, reply=reply)
    accepted = dict.fromkeys(record.recipients_in_doubt, RecipientReply(RecipientVerdict.ACCEPTED, reply))
    return Outcome(kind=OutcomeKind.PARTLY_DELIVERED, reply=reply, recipients=accepted)


def in_progress(claimed: EmailRecord, replies: Mapping[str, RecipientReply], turn: tuple[str, ...]) -> EmailRecord:
    """The record in the middle of an attempt that has several parts: what was said so far, and whose `turn` it is.
    Should the worker die, those who had none yet are in no doubt."""
    own = _own_results(replies)
    waiting = [one for one in claimed.waiting_recipients if one not in own and one not in turn]
    return replace(claimed, results=lasting(claimed.results) | own | dict.fromkeys(waiting, NO_TURN_YET))


def without_words(record: EmailRecord) -> EmailRecord:
    """The same outcome, with nothing in it that came from outside."""
    results = {address: replace(result, reply="") for address, result in record.results.items()}
    last = replace(record.attempts[-1], reply="the provider's words could not be stored", trace=None)
    return replace(record, results=results, attempts=(*record.attempts[:-1], last))


def _diagnosis_of(provider: str, outcome: Outcome) -> str | None:
    """The id of what stood in the way. Where some got it, the answer is about them: a refused recipient's counts."""
    if outcome.kind is OutcomeKind.DELIVERED:
        return None
    if outcome.kind is OutcomeKind.PARTLY_DELIVERED:
        replies = (one.reply for one in outcome.recipients.values() if one.verdict is not RecipientVerdict.ACCEPTED)
        if refusal := next(replies, None):
            return diagnose(provider=provider, stage="rcpt", reply=refusal).id
    return diagnose(provider=provider, stage=outcome.stage, code=outcome.code, reply=outcome.reply).id


def _results(claimed: EmailRecord, outcome: Outcome) -> Mapping[str, RecipientResult]:
    """What is known of each recipient after an attempt. Whom the outcome does not name has the fate of all whom the
    attempt was for; where the email ends with the same, there is nothing to keep."""
    results = lasting(claimed.results) | _own_results(outcome.recipients)
    others = [address for address in claimed.open_recipients if address not in outcome.recipients]
    reply = _kept(outcome.reply, RECIPIENT_REPLY_KEPT)
    match outcome.kind:
        case OutcomeKind.UNCONFIRMED:
            begun = [address for address in claimed.begun_recipients if address in others]
            return results | dict.fromkeys(begun, RecipientResult(Status.SENDING, reply))
        case OutcomeKind.PERMANENT if _anyone_got_it(results):
            return results | dict.fromkeys(others, RecipientResult(Status.FAILED, reply))
        case OutcomeKind.DELIVERED | OutcomeKind.PERMANENT:
            return {address: result for address, result in results.items() if address not in others}
    return results


def _own_results(replies: Mapping[str, RecipientReply]) -> dict[str, RecipientResult]:
    fates = {RecipientVerdict.ACCEPTED: Status.SENT, RecipientVerdict.REFUSED: Status.FAILED}
    return {
        address: RecipientResult(fates[reply.verdict], _kept(reply.reply, RECIPIENT_REPLY_KEPT))
        for address, reply in replies.items()
        if reply.verdict in fates
    }


def _anyone_got_it(results: Mapping[str, RecipientResult]) -> bool:
    return any(result.status is Status.SENT for result in results.values())


def _kept(reply: str, most: int = REPLY_KEPT) -> str:
    """As much of it as is kept, and without the lone surrogates that undecodable octets become: no store takes them."""
    text = reply if reply.isascii() else reply.encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"
