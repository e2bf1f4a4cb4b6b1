"""What a caller gets to see: the JSON of an email, as docs/reference/api.md has it."""

from collections.abc import Sequence
from dataclasses import Field, asdict
from datetime import UTC, datetime
from typing import Any, overload

from email_core.app_senders import AppSendersRow
from email_core.audit import AuditEvent
from email_core.composer import PreparedEmail
from email_core.day_limit import DayStatus
from email_core.delivery_state import ENDED, Status
from email_core.diagnosis import Diagnosis, by_id, diagnose
from email_core.distribution import DistributorStatus
from email_core.doctor.finding import Finding, Section, Verdict
from email_core.doctor.report import count
from email_core.message import Address
from email_core.parameter_desk import Reading
from email_core.parameter_layers import value_of
from email_core.parameter_rules import warnings
from email_core.parameters import ROWS, Parameters, default_of, group_of
from email_core.provider_overview import Pause, ProviderStatus
from email_core.record import MARKED_AS_SENT, EmailRecord
from email_core.rehearsals import RehearsalReport
from email_core.secret_store.base import SecretState
from email_core.throttle import ThrottleStatus
from email_core.users import User, UserOptions
from email_functions import answers

EMAILS = "/api/emails"


def accepted(record: EmailRecord) -> answers.AcceptedEmail:
    """The same for a replay, whatever has become of the email since."""
    own = f"{EMAILS}/{record.id}"
    return {
        "id": record.id,
        "status": Status.UNSENT.value,
        "links": {"self": own, "eml": f"{own}/eml", "cancel": f"{own}/cancel"},
    }


def dry_run(prepared: PreparedEmail, parameters: Parameters) -> answers.DryRun:
    """What would happen: nothing was stored, so there is no id to come back to."""
    record = prepared.record
    return {
        "dry_run": True,
        "mode": record.mode.value,
        "user": record.user,
        "provider": record.provider,
        "from": _address(record.sender),
        "rules": list(prepared.choice.rules),
        "recipients": list(record.recipients),
        "size": record.size,
        "send_at": _time(record.send_at),
        "expires_at": _time(_expiry(record, parameters)),
    }


def email_in_full(record: EmailRecord, parameters: Parameters, pause: Pause | None) -> answers.EmailInFull:
    """`pause` is that of its provider, which says of no email's own attempts anything."""
    waits_for: answers.EmailsPause | None = {"provider": record.provider, **_pause(pause)} if pause else None
    return {**email(record, parameters), "waits_for": waits_for}


def email(record: EmailRecord, parameters: Parameters) -> answers.Email:
    return {
        "id": record.id,
        "status": record.status.value,
        "mode": record.mode.value,
        "provider": record.provider,
        "user": record.user,
        "from": _address(record.sender),
        "to": [_address(one) for one in record.to],
        "cc": [_address(one) for one in record.cc],
        "bcc": [_address(one) for one in record.bcc],
        "subject": record.subject,
        "size": record.size,
        "created_at": _time(record.created_at),
        "updated_at": _time(record.updated_at),
        "ended_at": _time(record.ended_at),
        "send_at": _time(record.send_at),
        "expires_at": _time(_expiry(record, parameters)),
        "next_attempt_at": _time(record.next_attempt_at) if record.status is Status.UNSENT else None,
        "held": record.held,
        "content_deleted": record.content_deleted,
        "deferrals": record.deferrals,
        "deferred": record.deferred,
        "attempts": [
            {
                "at": _time(one.at),
                "provider": one.provider,
                "outcome": one.outcome,
                "reply": one.reply,
                "seconds": one.seconds,
                "trace": one.trace,
            }
            for one in record.attempts
        ],
        "recipients": [_recipient(record, address) for address in record.recipients],
        "message_id": record.message_id,
        "metadata": dict(record.metadata),
        "diagnosis": _own_diagnosis(record),
        "links": links(record),
    }


def distributor(status: DistributorStatus) -> answers.Distributor:
    state = status.state
    return {
        "enabled": state.enabled,
        "recurrence": {
            "every_minutes": state.every_minutes,
            "end_after_runs": state.end_after_runs,
            "end_date": state.end_date.isoformat() if state.end_date else None,
        },
        "on": status.on,
        "runs": state.runs,
        "last_run": _time(state.last_run_at),
        "next_run": _time(status.next_run_at),
        "backlog": status.backlog,
        "backlog_is_more": status.backlog_is_more,
        "oldest": _time(status.oldest_at),
        "sending": status.sending,
        "rate": status.sent_last_minute,
    }


def audit_event(event: AuditEvent) -> answers.AuditEvent:
    change = event.change
    return {
        "id": event.id,
        "at": _time(event.at),
        "by": {"id": event.by, "name": event.name},
        "action": change.action.value,
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
    }


def user(one: User) -> answers.User:
    return {
        "id": one.id,
        "name": one.name,
        "email": one.email,
        "external": one.external,
        "company": one.company,
        "enabled": one.enabled,
    }


def user_options(options: UserOptions, choices: tuple[str, ...]) -> answers.UserOptions:
    """With what may be chosen now, as a form needs it."""
    return {
        "provider": options.provider,
        "last_choice": options.last_choice,
        "ask_again": options.ask_again,
        "sender": options.sender,
        "workflow_notifications": options.workflow_notifications,
        "choices": list(choices),
    }


def app(row: AppSendersRow) -> answers.App:
    return {"client_id": row.client_id, "name": row.name, "senders": list(row.senders)}


def parameters(reading: Reading) -> answers.Parameters:
    return {
        "items": [_parameter(row, reading) for row in ROWS.values()],
        "problems": _problems(reading),
        "warnings": warnings(reading.layers),
    }


def _parameter(row: "Field[Any]", reading: Reading) -> answers.Parameter:
    """`value` is what was written, also where it is wrong: then it is not used."""
    about = row.metadata
    return {
        "name": row.name,
        "group": group_of(row),
        "value": value_of(reading.layers, row),
        "source": reading.layers.sources[row.name].value,
        "default": default_of(row),
        "description": about["help"],
        "unit": about["unit"] or None,
        "choices": list(about["choices"]) or None,
        "limits": list(about["limits"]) if about["limits"] else None,
    }


def health(reading: Reading) -> answers.HealthDetails:
    return {
        "status": "closed" if reading.judgement.closing else "incomplete" if reading.judgement.problems else "ok",
        "problems": _problems(reading),
        "warnings": warnings(reading.layers),
    }


def _problems(reading: Reading) -> list[answers.ParameterProblem]:
    return [{"name": one.name, "problem": one.problem, "fix": one.fix} for one in reading.judgement.problems]


def secret(state: SecretState) -> answers.Secret:
    return {"set": state.set, "updated_at": _time(state.updated_at)}


def provider(status: ProviderStatus) -> answers.Provider:
    return {
        "name": status.name,
        "configured": status.configured,
        "enabled": status.enabled,
        "batch": status.batch,
        "interactive": status.interactive,
        "paused": _pause(status.pause) if status.pause else None,
        "limit": _limit(status.throttle),
        "day_limit": _day_limit(status.day),
        "warnings": list(status.warnings),
        "features": asdict(status.features),
    }


def rehearsal(report: RehearsalReport) -> answers.Rehearsal:
    return {
        "outcome": report.outcome.value,
        "reply": report.reply,
        "seconds": report.seconds,
        "steps": [
            {
                "name": step.name,
                "outcome": "succeeded" if step.succeeded else "failed",
                "detail": step.detail,
                "seconds": step.seconds,
            }
            for step in report.steps
        ],
        "diagnosis": _diagnosis(report.diagnosis),
    }


def _limit(status: ThrottleStatus) -> answers.Limit:
    return {
        "per_minute": status.limit,
        "in_force": status.in_force,
        "used_last_minute": status.used_last_minute,
        "reserved_ahead": status.reserved_ahead,
        "in_line": status.in_line,
        "next_at": _time(status.next_at),
    }


def _day_limit(status: DayStatus) -> answers.DayLimit:
    return {
        "recipients_per_day": status.limit,
        "used_last_day": status.used_last_day,
        "reserved_ahead": status.reserved_ahead,
        "next_at": _time(status.next_at),
    }


def _pause(pause: Pause) -> answers.Pause:
    return {
        "until": _time(pause.until),
        "refusals": pause.refusals,
        "reply": pause.reply,
        "diagnosis": _diagnosis(pause.diagnosis),
    }


def links(record: EmailRecord) -> answers.Links:
    """Relative to the host, with its route prefix; `cancel` is there while it may still work."""
    own = f"{EMAILS}/{record.id}"
    found: answers.Links = {"self": own, "eml": f"{own}/eml"}
    return found if record.status in ENDED else {**found, "cancel": f"{own}/cancel"}


def _recipient(record: EmailRecord, address: str) -> answers.EmailRecipient:
    """One whose fate is not its own has the email's, with what the provider said of all."""
    result = record.results.get(address)
    if result is None or result.status is Status.UNSENT:
        status, reply = (result or record).status, _reply_to_all(record)
        found = None if status is Status.SENT or reply is None else _last_diagnosis(record)
    else:
        status, reply = result.status, result.reply
        stands = status is not Status.SENT
        found = diagnose(provider=record.provider, stage="rcpt", reply=result.reply) if stands else None
    return {"address": address, "status": status.value, "reply": reply, "diagnosis": _diagnosis(found)}


def _reply_to_all(record: EmailRecord) -> str | None:
    """None where the last answer, or none, was about others: those in doubt, or about whom an administrator decided."""
    if not record.attempts:
        return None
    last, told_apart = record.attempts[-1], any(one.status not in _ANSWERED for one in record.results.values())
    if told_apart or (last.outcome == MARKED_AS_SENT and record.status is not Status.SENT):
        return None
    return last.reply


_ANSWERED = frozenset({Status.SENT, Status.FAILED})


def _last_diagnosis(record: EmailRecord) -> Diagnosis | None:
    """Of the last attempt that failed; None once everybody has the email, or may have it by the next attempt."""
    anyone_refused = any(result.status is Status.FAILED for result in record.results.values())
    if record.status is Status.SENT and not anyone_refused:
        return None
    if record.status is Status.UNSENT and record.attempts and record.attempts[-1].outcome == MARKED_AS_SENT:
        return None
    ids = (attempt.diagnosis for attempt in reversed(record.attempts))
    return by_id(next(filter(None, ids), ""))


def _own_diagnosis(record: EmailRecord) -> answers.EmailDiagnosis | None:
    """With what comes next, so that nobody mends or sends again what is tried again anyway."""
    found = _diagnosis(_last_diagnosis(record))
    return None if found is None else {**found, "next": _next(record)}


def _next(record: EmailRecord) -> str:
    if record.held:
        return "It is held until you decide: POST its /resend or /mark-sent."
    match record.status:
        case Status.UNSENT:
            return f"It is tried again at {_time(record.due_at)}, without anybody asking."
        case Status.SENDING:
            return "It is being tried again now."
        case Status.SENT:
            return "Whoever was refused does not get it by itself."
    return "It is not tried again by itself: POST its /resend once the cause is mended."


def _expiry(record: EmailRecord, parameters: Parameters) -> datetime | None:
    """Of an email that has ended only its own: no other means anything any more."""
    return record.expires_at if record.ended else record.expiry(parameters.expiration_days)


def _diagnosis(found: Diagnosis | None) -> answers.Diagnosis | None:
    if found is None:
        return None
    return {"id": found.id, "title": found.title, "explanation": found.explanation, "fix": found.fix}


def _address(address: Address) -> answers.NamedAddress:
    return {"address": address.address, "name": address.name}


@overload
def _time(moment: datetime) -> str: ...


@overload
def _time(moment: None) -> None: ...


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def examination(sections: Sequence[Section]) -> answers.Examination:
    return {
        "counts": {
            "ok": count(sections, Verdict.OK),
            "warning": count(sections, Verdict.WARNING),
            "failed": count(sections, Verdict.FAILED),
            "skipped": count(sections, Verdict.SKIPPED),
        },
        "sections": [{"title": one.title, "findings": [*map(_finding, one.findings)]} for one in sections],
    }


def _finding(finding: Finding) -> answers.Finding:
    return {"verdict": finding.verdict.value, "what": finding.what, "detail": finding.detail, "fix": finding.fix}
