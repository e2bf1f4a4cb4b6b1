"""The test email: sent now, through no queue, with every step told (facts of the modelled system: "sends one through
the chosen provider and shows the outcome"). A paused provider is tried too: that is how one sees that it works again.
Refused, the pause becomes longer.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from email_core.addresses import parse_address
from email_core.choice_of_provider import not_configured
from email_core.choice_of_sender import default_address
from email_core.content import InlineContent
from email_core.diagnosis import Diagnosis, diagnose
from email_core.email_id import new_email_id
from email_core.errors import ConfigurationError, FieldProblem, InvalidEmail, StorageUnavailable
from email_core.logs import where
from email_core.message import Address, Message
from email_core.mime import build_mime
from email_core.parameters import Parameters
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import LONGEST_REHEARSAL, Outcome, OutcomeKind, Provider, Rehearsal, Step, Submission

SUBJECT = "Test email"
SENDER = "sender"  # the stage of a test email that nobody could send

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalReport:
    """What became of a test email. `reply` is the provider's own answer; `diagnosis` is None where it was delivered."""

    outcome: OutcomeKind
    reply: str = field(repr=False)
    seconds: float
    steps: tuple[Step, ...]
    diagnosis: Diagnosis | None


class Rehearsals:
    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        pauses: ProviderPauses,
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        self._providers = providers
        self._pauses = pauses
        self._parameters = parameters
        self._clock = clock

    async def send(self, provider_name: str, to: Address, seconds: float = LONGEST_REHEARSAL) -> RehearsalReport:
        """Answers within `seconds`. Where nobody can be its sender, the way up to the sign-in is told all the same, and
        then that. Raises InvalidEmail where no such provider is configured."""
        provider = self._provider(provider_name)
        started = time.monotonic()
        rehearsal = await self._rehearsal(provider, to, seconds)
        report = _report(provider.name, rehearsal, time.monotonic() - started)
        await self._learn(provider, rehearsal.outcome)
        return report

    async def sign_in(self, provider: Provider, seconds: float) -> Rehearsal:
        """The way of a test email, as far as it goes without one: up to and with the sign-in. Not for a provider that
        is paused: nobody asked for one more try."""
        rehearsal = await provider.rehearse(None, seconds)
        await self._learn(provider, rehearsal.outcome)
        return rehearsal

    async def _rehearsal(self, provider: Provider, to: Address, seconds: float) -> Rehearsal:
        try:
            sender = sender_of(provider, self._parameters)
        except ConfigurationError as problem:
            return _without_sender(await provider.rehearse(None, seconds), problem)
        return await provider.rehearse(written_test_email(sender, to, provider, self._clock()), seconds)

    def _provider(self, name: str) -> Provider:
        if name not in self._providers:
            raise InvalidEmail(FieldProblem("/provider", not_configured(name, self._providers)))
        return self._providers[name]

    async def _learn(self, provider: Provider, outcome: Outcome | None) -> None:
        try:
            if outcome is not None and outcome.stage != SENDER:  # not every provider was tried as far as the sign-in
                await self._pauses.learn_from_test(provider, outcome)
        except StorageUnavailable as error:
            logger.warning("what a test email showed of provider %s is not recorded: %s", provider.name, where(error))


def sender_of(provider: Provider, parameters: Parameters) -> Address:
    """Who a test email is from: `default_sender`, else the account that the provider signs in with. Raises
    ConfigurationError."""
    if parameters.default_sender:
        return default_address(parameters.default_sender)
    try:
        return parse_address(provider.account)
    except ValueError:
        raise ConfigurationError(
            "default_sender",
            f"is not set, and {provider.name} signs in with no address that could stand in for it",
            "Set it to an address that the provider may send from.",
        ) from None


def written_test_email(sender: Address, to: Address, provider: Provider, now: datetime) -> Submission:
    message = Message(
        sender=sender,
        to=(to,),
        subject=SUBJECT,
        text=f"This is a test email, sent through {provider.name} at {now:%Y-%m-%d %H:%M:%S} UTC.\n"
        "An administrator of the email subsystem asked for it. Nothing has to be done.\n",
        headers={"Auto-Submitted": "auto-generated"},
    )
    finished = build_mime(message, new_email_id(now, 0), now)
    return Submission(
        sender=sender.address,
        recipients=(to.address,),
        message_id=finished.message_id,
        content=InlineContent(finished.mime),
    )


def diagnosis_of(provider: str, outcome: Outcome | None) -> Diagnosis | None:
    """None where nothing stands in the way."""
    if outcome is None or outcome.kind is OutcomeKind.DELIVERED:
        return None
    return diagnose(provider=provider, stage=outcome.stage, code=outcome.code, reply=outcome.reply)


def _without_sender(rehearsal: Rehearsal, problem: ConfigurationError) -> Rehearsal:
    """What stood in the way before comes first."""
    if rehearsal.outcome is not None:
        return rehearsal
    words = f"{problem.setting} {problem.problem}"
    outcome = Outcome(kind=OutcomeKind.CONFIGURATION, reply=words, stage=SENDER)
    return Rehearsal((*rehearsal.steps, Step(SENDER, False, words, 0.0)), outcome)


def _report(provider: str, rehearsal: Rehearsal, seconds: float) -> RehearsalReport:
    outcome = rehearsal.outcome
    if outcome is None:
        raise ValueError("a rehearsal of an email ended without an outcome")
    return RehearsalReport(
        outcome=outcome.kind,
        reply=outcome.reply,
        seconds=round(seconds, 3),
        steps=rehearsal.steps,
        diagnosis=diagnosis_of(provider, outcome),
    )
