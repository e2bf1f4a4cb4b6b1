"""What a reply, a failure, or several transactions together mean for an email. Pure; the catalogue decides first."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from email_core.diagnosis import diagnose
from email_core.providers.base import Outcome, OutcomeKind, RecipientReply, RecipientVerdict
from email_core.providers.verdict import clean, kind_of, no_connection, tls_failure, wait_of, words_of

PROVIDER = "smtp"
Part = tuple[tuple[str, ...], Outcome]  # recipients who shared a transaction, and what became of it
Refusal = tuple[RecipientReply, Outcome]  # of one recipient, and what it means where nobody else is left
NO_TURN = RecipientReply(RecipientVerdict.LATER, "it had no turn in this attempt")
_TOO_MANY_RECIPIENTS = re.compile(r"(?<![\d.])[45]\.5\.3(?![\d.]*\d)|too many recipients", re.IGNORECASE)


class Reply(NamedTuple):
    """A server's answer. `text` is all of it, on one line: `250 2.0.0 queued`."""

    code: int
    text: str

    @classmethod
    def of(cls, code: int, message: str) -> "Reply":
        return cls(code, clean(f"{code} {message}"))

    @property
    def says_too_many(self) -> bool:
        """Whether a transaction with fewer recipients would do (RFC 5321, 4.5.3.1.10)."""
        return self.code >= 400 and bool(_TOO_MANY_RECIPIENTS.search(self.text))


def outcome_of_reply(stage: str, reply: Reply, recipients: Mapping[str, RecipientReply] | None = None) -> Outcome:
    """Of a reply that is a refusal of everything, for now or for good."""
    found = diagnose(provider=PROVIDER, stage=stage, code=reply.code, reply=reply.text)
    return Outcome(
        kind=kind_of(found, stage, for_good=reply.code >= 500),
        reply=reply.text,
        recipients=recipients or {},
        retry_after=wait_of(found),
        stage=stage,
        code=reply.code,
    )


def outcome_of_failure(stage: str, words: str, *, mends_itself: bool = True) -> Outcome:
    """Where there was no reply: nothing had been handed over. `words` are ours, or those of the network."""
    words = clean(words)
    found = diagnose(provider=PROVIDER, stage=stage, code=None, reply=words)
    return Outcome(
        kind=kind_of(found, stage, for_good=not mends_itself), reply=words, retry_after=wait_of(found), stage=stage
    )


def outcome_of_network(stage: str, error: BaseException, server: str = "", port: int = 0) -> Outcome:
    """Of a connection that could not be made; to which server is said where it is given. TLS that fails is a matter of
    configuration, but where it broke off."""
    tls = tls_failure(error)
    if tls is not None:
        return outcome_of_failure("tls", f"no TLS with the server: {tls[0]}", mends_itself=tls[1])
    words = no_connection(error, words_of, provider=PROVIDER, stage=stage, server=server, port=port)
    return outcome_of_failure(stage, words)


def refusal_of_recipient(reply: Reply) -> Refusal:
    """What a refused RCPT means for this one, and for the email if nobody else is left."""
    outcome = outcome_of_reply("rcpt", reply)
    refused = outcome.kind is OutcomeKind.PERMANENT
    return RecipientReply(RecipientVerdict.REFUSED if refused else RecipientVerdict.LATER, reply.text), outcome


def beside_accepted(refusals: Mapping[str, Refusal]) -> dict[str, Refusal]:
    """Where others are taken, a refusal is this recipient's own: waiting for an administrator would keep the email
    of all others open."""
    return {
        address: (replace(reply, verdict=RecipientVerdict.REFUSED), replace(outcome, kind=OutcomeKind.PERMANENT))
        if outcome.kind is OutcomeKind.CONFIGURATION
        else (reply, outcome)
        for address, (reply, outcome) in refusals.items()
    }


def nobody_accepted(refusals: Mapping[str, Refusal]) -> Outcome:
    """Some may be taken later: then the email is not over, though some of its recipients are."""
    outcomes = [outcome for _, outcome in refusals.values()]
    waiting = [outcome for outcome in outcomes if outcome.kind is not OutcomeKind.PERMANENT]
    said = min(waiting or outcomes, key=lambda one: one.kind is not OutcomeKind.CONFIGURATION)
    return Outcome(
        kind=said.kind,
        reply=said.reply,
        recipients={address: reply for address, (reply, _) in refusals.items()},
        retry_after=soonest(waiting),
        stage=said.stage,
        code=said.code,
    )


def refusal_of_content(reply: Reply, accepted: Iterable[str], refusals: Mapping[str, Refusal]) -> Outcome:
    """A refusal for those who were accepted. Who was to come later has not been tried yet: the email waits for them."""
    told = {address: refused for address, (refused, _) in refusals.items()}
    outcome = outcome_of_reply("data", reply, told)
    waiting = [one for _, one in refusals.values() if one.kind is not OutcomeKind.PERMANENT]
    if outcome.kind is not OutcomeKind.PERMANENT or not waiting:
        return outcome
    refused = dict.fromkeys(accepted, RecipientReply(RecipientVerdict.REFUSED, reply.text))
    return replace(outcome, kind=OutcomeKind.TRANSIENT, recipients={**refused, **told}, retry_after=soonest(waiting))


def soonest(outcomes: Iterable[Outcome]) -> timedelta | None:
    """None, the usual wait, as soon as one of them has no other."""
    waits = [outcome.retry_after for outcome in outcomes]
    known = [wait for wait in waits if wait is not None]
    return min(known) if known and len(known) == len(waits) else None


def combined(parts: Sequence[Part], left: tuple[str, ...] = ()) -> Outcome:
    """One email that went in several transactions: each with its recipients, and those that had no turn. Whoever has
    it already must not get it again, so each of them has a reply of their own, but those whose answer was lost: only
    they are in doubt."""
    if len(parts) == 1 and not left:
        return parts[0][1]
    replies, last = replies_of(parts) | dict.fromkeys(left, NO_TURN), parts[-1][1]
    kind = _kind_of_all(last.kind, {reply.verdict for reply in replies.values()})
    waiting = [outcome for _, outcome in parts if outcome.kind is not OutcomeKind.PERMANENT and _leaves_any(outcome)]
    return Outcome(
        kind=kind,
        reply=last.reply,
        recipients={} if kind is OutcomeKind.DELIVERED else replies,
        retry_after=soonest(waiting),
        stage=last.stage,
        code=last.code,
    )


def _kind_of_all(last: OutcomeKind, verdicts: set[RecipientVerdict]) -> OutcomeKind:
    if last is OutcomeKind.UNCONFIRMED:
        return last
    if verdicts == {RecipientVerdict.ACCEPTED}:
        return OutcomeKind.DELIVERED
    if RecipientVerdict.ACCEPTED in verdicts:
        return OutcomeKind.PARTLY_DELIVERED
    is_over = RecipientVerdict.LATER not in verdicts
    return OutcomeKind.TRANSIENT if last is OutcomeKind.PERMANENT and not is_over else last


def _leaves_any(outcome: Outcome) -> bool:
    """Whether it leaves a recipient to be tried again."""
    if outcome.kind in (OutcomeKind.DELIVERED, OutcomeKind.PARTLY_DELIVERED):
        return any(reply.verdict is RecipientVerdict.LATER for reply in outcome.recipients.values())
    return True


_FATES = {
    OutcomeKind.DELIVERED: RecipientVerdict.ACCEPTED,
    OutcomeKind.PARTLY_DELIVERED: RecipientVerdict.ACCEPTED,
    OutcomeKind.PERMANENT: RecipientVerdict.REFUSED,
}


def replies_of(parts: Sequence[Part]) -> dict[str, RecipientReply]:
    """What was said of each recipient, but of those whose answer was lost."""
    return dict(_each(parts))


def _each(parts: Sequence[Part]) -> Iterator[tuple[str, RecipientReply]]:
    for recipients, outcome in parts:
        usual = RecipientReply(_FATES.get(outcome.kind, RecipientVerdict.LATER), outcome.reply)
        for address in recipients:
            if address in outcome.recipients or outcome.kind is not OutcomeKind.UNCONFIRMED:
                yield address, outcome.recipients.get(address, usual)
