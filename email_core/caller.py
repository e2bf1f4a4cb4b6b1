"""Who calls: an app or a person, and what that one may do. Found at the doors, asked about in the core."""

from dataclasses import dataclass
from enum import StrEnum

from email_core.message import address_key


class Role(StrEnum):
    """The app roles of the Entra application. An administrator has the others' rights too."""

    SEND = "Email.Send"
    READ = "Email.Read"
    ADMIN = "Email.Admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`id` tells callers apart and stands in the audit: `app:<client id>`, `user:<object id>`, `key`, `local`.

    `user` is the id of the known user that a person is, None for an app. `allowed_senders` are the addresses and the
    `@domains`, in lower case, that it may send as; None = any.
    """

    id: str
    name: str
    roles: frozenset[Role] = frozenset()
    user: str | None = None
    allowed_senders: frozenset[str] | None = None

    def has(self, role: Role) -> bool:
        return role in self.roles or Role.ADMIN in self.roles

    @property
    def is_person(self) -> bool:
        return self.id.startswith("user:")

    def may_send_as(self, address: str) -> bool:
        """A domain stands for itself, not for those below it."""
        if self.allowed_senders is None:
            return True
        wanted = address_key(address)
        return not self.allowed_senders.isdisjoint({wanted, "@" + wanted.rpartition("@")[2]})


LOCAL = Caller(id="local", name="this machine", roles=frozenset(Role))
