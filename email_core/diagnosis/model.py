"""What a diagnosis is, and how the catalogue says which answers it is for."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self


class Category(StrEnum):
    """What kind of fault it is. One row each: its name, and what it is."""

    help: str

    RECIPIENT = "recipient", "this recipient cannot get it"
    CONFIGURATION = "configuration", "an administrator must change something: here, at the mail service, or in DNS"
    CREDENTIALS = "credentials", "the password, secret or certificate is wrong, too old or missing"
    SENDER_QUOTA = "sender_quota", "the account has sent, or keeps, as much as it may"
    THROTTLING = "throttling", "too much at once"
    TRANSIENT = "transient", "it passes by itself"
    SIZE = "size", "the message is too large, or for too many recipients at once"
    CONTENT = "content", "something in the message is not taken"
    BLOCKED = "blocked", "the sender, the address it comes from, or the tenant is not trusted"
    UNKNOWN = "unknown", "nobody has written down what it means"

    def __new__(cls, name: str, help: str = "") -> Self:
        row = str.__new__(cls, name)
        row._value_ = name
        row.help = help
        return row


class Retry(StrEnum):
    NO = "no"  # the same again changes nothing: what an administrator can mend is for LATER, or a fault of settings
    SOON = "soon"  # in minutes
    LATER = "later"  # in hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What an answer means and what mends it, for an administrator. `id` is stable: it is kept with an attempt."""

    id: str
    category: Category
    retry: Retry
    title: str
    explanation: str = field(repr=False)  # of an unknown answer it has the words, and these may have an address
    fix: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Answers that an entry is for: all that is given here must hold.

    `names`: error codes of Graph, Exchange, Entra or Key Vault, in any case.
    `text`: regular expressions, one of them found in the words (see `words_of`: lower case, single spaces, no codes,
    no addresses, no host names).
    `enhanced`: codes of RFC 3463: `5.1.1`; `x.2.2` for 4.2.2 and 5.2.2; `4.3.*` for all that begin so;
    `5.7.501-503`.
    `status`: SMTP's or HTTP's. `stages`: where it was given.
    `only`: 4 or 5, where the answer must not be of the other class. `no_reply`: only where nothing was answered.
    """

    names: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    enhanced: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    stages: tuple[str, ...] = ()
    only: int | None = None
    no_reply: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    diagnosis: Diagnosis
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Entries that belong together. `providers`: whose answers they are for; empty, anybody's. Of matches equally
    specific the first wins, by the order of sections and entries."""

    title: str
    providers: tuple[str, ...] = ()
    entries: tuple[Entry, ...]


def entry(id: str, category: Category, retry: Retry, title: str, explanation: str, fix: str, *matches: Match) -> Entry:
    diagnosis = Diagnosis(id=id, category=category, retry=retry, title=title, explanation=explanation, fix=fix)
    return Entry(diagnosis, matches)
