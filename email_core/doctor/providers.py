"""Each step of a provider's way up to the sign-in, or, with an address, of a test email's. A provider that is paused is
tried with a test email alone: each sign-in may bring the account nearer to being locked out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from email_core.diagnosis import Diagnosis
from email_core.doctor.finding import Finding, failed, ok, skipped, warning
from email_core.errors import StorageUnavailable
from email_core.message import Address
from email_core.provider_overview import Pause, pause_of
from email_core.provider_pause import ProviderPauses
from email_core.providers.base import LONGEST_REHEARSAL, Provider, Step
from email_core.rehearsals import Rehearsals, diagnosis_of

SECONDS = 40.0  # up to the sign-in, longer than any one step has; a test email has LONGEST_REHEARSAL
PAUSE_SECONDS = 10.0
MOST_SECONDS = 90.0  # for all of it


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """`to`: who gets a test email, None = nobody."""

    rehearsals: Rehearsals
    pauses: ProviderPauses
    clock: Callable[[], datetime]
    to: Address | None

    async def findings(self, provider: Provider) -> list[Finding]:
        cautions = [
            warning("parameters", words, "Change it as it says, or leave it if it is meant.")
            for words in provider.warnings
        ]
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                pause = await pause_of(provider, self.pauses, self.clock())  # first: a test email may end it
        except (StorageUnavailable, TimeoutError):
            unknown = skipped("pause", "the storage does not answer")
            return [*cautions, unknown, *await self._steps(provider)]
        if pause is None:
            return [*cautions, *await self._steps(provider)]
        if self.to is None:
            return [
                *cautions,
                _paused(pause),
                skipped("sign-in", f"not tried: paused until {pause.until:%H:%M:%S} UTC"),
            ]
        return [*cautions, _paused(pause), *await self._steps(provider)]

    async def _steps(self, provider: Provider) -> list[Finding]:
        if self.to is None:
            rehearsal = await self.rehearsals.sign_in(provider, SECONDS)
            steps, diagnosis = rehearsal.steps, diagnosis_of(provider.name, rehearsal.outcome)
        else:
            report = await self.rehearsals.send(provider.name, self.to, LONGEST_REHEARSAL)
            steps, diagnosis = report.steps, report.diagnosis
        if not steps:
            return [skipped("sign-in", "is seen with a test email alone", "Name somebody who gets one: --to ADDRESS.")]
        return [_step(step, diagnosis) for step in steps]


def _paused(pause: Pause) -> Finding:
    detail = f"until {pause.until:%H:%M:%S} UTC, after {_counted(pause.refusals)}: {pause.reply}"
    return warning(
        "pause", detail, f"{pause.diagnosis.fix} Then send a test email, which ends the pause: --to ADDRESS."
    )


def _step(step: Step, diagnosis: Diagnosis | None) -> Finding:
    detail = f"{step.detail} ({step.seconds:.2f} s)"
    if step.succeeded:
        return ok(step.name, detail)
    if diagnosis is None:
        return failed(step.name, detail)
    says_it_already = diagnosis.title.lower() in step.detail.lower()
    return failed(step.name, detail if says_it_already else f"{diagnosis.title}: {detail}", diagnosis.fix)


def _counted(refusals: int) -> str:
    return "1 refusal" if refusals == 1 else f"{refusals} refusals"
