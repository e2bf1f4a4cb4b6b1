"""Everything that can go wrong, as classes with fields.

EmailSubsystemError
├── InvalidEmail            the request's fields, each with a pointer
├── EmailTooLarge           size and limit
├── EmailNotFound           no email has this id
│   └── ContentDeleted      the email is there, its content was deleted
├── UserNotFound            no user has this id
├── ChooseProvider          a person has several providers to choose from, and chose none
├── UseMailApp              a person sends with their own mail app: the subsystem has nothing to send
├── ProviderGone            an email's provider is not configured any more, so it cannot be sent once more
├── UserGone                an email's user is unknown or disabled by now, so it cannot be sent once more
├── ImportCutShort          the storage failed in the middle of an import: says how much of it is done
├── IllegalTransition       the email's state does not allow this event
├── KeyReused               an idempotency key came with another body
├── KeyInFlight             the first request with an idempotency key is not answered yet
├── TooManyEmails           a caller hands over more than it may
├── LostRace                somebody else changed the entity first
├── StorageUnavailable      the storage account did not answer, or refused
├── NotSignedIn             who calls is not known, or not believed
├── NotPermitted            the caller may not do this: says who may
├── SignInUnavailable       nobody can be signed in at this moment
├── UnknownApp              no app of this client id is limited
├── UnknownSecret           no secret has this name
├── SecretUnreadable        a secret cannot be had, or not be written: says why, and the fix
├── ConfigurationError      a setting is missing or wrong: names it, and the fix
├── WrongParameters         all that is wrong with the parameters, each with its fix
└── VersionChanged          what was to be changed is not any more as the caller read it
"""

from dataclasses import dataclass
from enum import StrEnum


class EmailSubsystemError(Exception):
    """The root of every error this package raises on purpose."""


@dataclass(frozen=True)
class FieldProblem:
    """One thing wrong with a request: where (JSON pointer, RFC 6901) and what, with the fix."""

    pointer: str
    detail: str


class InvalidEmail(EmailSubsystemError):
    """The request cannot become an email. `problems` is never empty."""

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{problem.pointer}: {problem.detail}" for problem in problems))
        self.problems = problems


class EmailTooLarge(EmailSubsystemError):
    """The finished message is larger than the parameter `attachment_size_limit` allows. Sizes in octets."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The message has {size} octets; the limit is {limit} (the parameter attachment_size_limit)")
        self.size = size
        self.limit = limit


class EmailNotFound(EmailSubsystemError):
    """There is no email with this id, or no longer."""

    def __init__(self, email_id: str) -> None:
        super().__init__(f"There is no email {email_id}")
        self.email_id = email_id


class UserNotFound(EmailSubsystemError):
    """There is no user with this id; or the caller is none. `detail` says which, and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


class ChooseProvider(EmailSubsystemError):
    """Interactive mail names no provider, its user has chosen none, and there are several. `choices` are their names,
    and `eml` for a file for the user's own mail app."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        super().__init__(f"Ask the user how to send it: name one of {', '.join(choices)} as `provider`")
        self.choices = choices


class UseMailApp(EmailSubsystemError):
    """The user has chosen to send with a mail app of their own."""

    def __init__(self) -> None:
        super().__init__(
            "The user sends with their own mail app: send the same body to /api/eml, which answers with a file for it, "
            "or name another `provider`"
        )


class ProviderGone(EmailSubsystemError):
    """An email cannot be sent once more by the provider that it went through. `detail` says what an administrator
    does."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"{detail}; or send a new email by another provider (POST /api/emails)")


class UserGone(EmailSubsystemError):
    """An email cannot be sent once more for the user whom it was sent for. `detail` says what an administrator does."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"The email's user {detail}; or send a new email (POST /api/emails)")


class ImportCutShort(EmailSubsystemError):
    """The storage failed in the middle; the cause is chained. The first `done` of `total` users are stored."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(
            f"The storage failed after {done:,} of {total:,} users: those are stored, the others may not be. Send the "
            "same file again: what is stored already stays the same"
        )
        self.done = done
        self.total = total


class ContentDeleted(EmailNotFound):
    """The email is known, and its content was deleted as the parameters `content_retention_days` or `keep_content`
    say."""

    def __init__(self, email_id: str) -> None:
        super().__init__(email_id)
        self.args = (f"The content of email {email_id} was deleted when its time was over: only its record is kept",)


class IllegalTransition(EmailSubsystemError):
    """The table in `delivery_state` has no such step."""

    def __init__(self, status: str, event: str) -> None:
        super().__init__(f"An email that is {status} cannot {event}")
        self.status = status
        self.event = event


class KeyReused(EmailSubsystemError):
    """An idempotency key stands for another request."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another body: use a new key for a new email")


class KeyInFlight(EmailSubsystemError):
    """Two requests with one idempotency key at once: the first is not answered yet."""

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is not answered yet: ask again in a moment")


class TooManyEmails(EmailSubsystemError):
    """A caller has handed over as many emails as it may in a minute. `retry_after`: seconds until there is room."""

    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(
            f"You may hand over {limit} emails a minute (the parameter accept_rate_limit): "
            f"there is room again in {retry_after} s"
        )
        self.limit = limit
        self.retry_after = retry_after


class LostRace(EmailSubsystemError):
    """A conditional write found another version than the one it was made from. Nothing was written."""

    def __init__(self, email_id: str) -> None:
        super().__init__(f"Email {email_id} was changed by somebody else first")
        self.email_id = email_id


class StorageUnavailable(EmailSubsystemError):
    """The storage account did not do what it was asked; the cause is chained. It may work later."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"The storage did not answer as expected: {operation}")
        self.operation = operation


class NotSignedIn(EmailSubsystemError):
    """The request does not say who makes it, or not believably; nothing of what it said is repeated. `offered`: it
    tried to."""

    def __init__(self, problem: str, *, offered: bool = True) -> None:
        super().__init__(problem)
        self.offered = offered


class NotPermitted(EmailSubsystemError):
    """The caller is known, but may not do this. `role` would be needed; or `problem` names the field that asked for
    it."""

    def __init__(self, detail: str, *, pointer: str | None = None, role: str | None = None) -> None:
        super().__init__(detail)
        self.problem = FieldProblem(pointer, detail) if pointer else None
        self.role = role


class SignInUnavailable(EmailSubsystemError):
    """What tokens are checked with cannot be had. It may work later."""

    def __init__(self) -> None:
        super().__init__("Microsoft Entra's keys cannot be fetched, so no token can be checked: try again")


class UnknownApp(EmailSubsystemError):
    """No app of this client id has senders of its own."""

    def __init__(self, client_id: str) -> None:
        super().__init__(f"The app {client_id} is not limited: it may send as anybody")
        self.client_id = client_id


class UnknownSecret(EmailSubsystemError):
    """There is no secret of the name that was asked for; it is not repeated, as it may be a value in a wrong place."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"The secrets are {', '.join(names)}")
        self.names = names


class SecretFault(StrEnum):
    """Why a secret cannot be had."""

    MISSING = "missing"  # never set, or gone for good
    DISABLED = "disabled"  # switched off in the vault, or not active yet
    DELETED = "deleted"  # and can be recovered
    FORBIDDEN = "forbidden"  # this app may not, or cannot sign in
    UNREACHABLE = "unreachable"  # it may work later
    EXPIRED = "expired"


class SecretUnreadable(EmailSubsystemError):
    """A secret cannot be had from where it is kept, or not be written there; what the vault said is chained.

    Only `unreachable` may pass by itself. `fix` says what an administrator does about it; it never holds a value.
    """

    def __init__(self, name: str, reason: SecretFault, fix: str) -> None:
        super().__init__(f"The secret {name} is {reason}. {fix}")
        self.name = name
        self.reason = reason
        self.fix = fix


class ConfigurationError(EmailSubsystemError):
    """An app setting or parameter is missing or wrong. `fix` says what an administrator does about it."""

    def __init__(self, setting: str, problem: str, fix: str) -> None:
        super().__init__(f"{setting} {problem}. {fix}")
        self.setting = setting
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True)
class ParameterProblem:
    """One thing wrong with the parameters. `name` is the parameter's, or an app setting's that is none. Neither text
    repeats a value."""

    name: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name} {self.problem}. {self.fix}"


class WrongParameters(EmailSubsystemError):
    """While a parameter is wrong nothing is accepted, sent or deleted. `problems` is never empty."""

    def __init__(self, *problems: ParameterProblem) -> None:
        super().__init__(" ".join(map(str, problems)))
        self.problems = problems


class VersionChanged(EmailSubsystemError):
    """A change was made from a version that is not the last one any more. Nothing was changed."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} were changed since you read them: read them again")
