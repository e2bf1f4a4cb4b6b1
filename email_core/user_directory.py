"""The users: whom mail may be sent for, who may see and change them, and what each has chosen."""

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from email_core.audit import Action, AuditLog, Change
from email_core.caller import Caller, Role
from email_core.choice_of_provider import choices_of
from email_core.errors import (
    EmailSubsystemError,
    FieldProblem,
    ImportCutShort,
    InvalidEmail,
    LostRace,
    NotPermitted,
    StorageUnavailable,
    UserGone,
    UserNotFound,
)
from email_core.known_users import KnownUsers
from email_core.logs import where
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.users import (
    ME,
    MOST_AT_ONCE,
    KnownUser,
    User,
    UserOptions,
    UserPage,
    UserQuery,
    UserRow,
    UserStore,
    is_user_id,
    user_key,
)

_MOST_TRIES = 5  # of a change that others were first with
_IS_DISABLED = "is disabled: an administrator can enable it again"

logger = logging.getLogger(__name__)


class Users:
    """All methods raise StorageUnavailable where the storage account does not do what it was asked."""

    def __init__(
        self,
        *,
        store: UserStore,
        audit: AuditLog,
        providers: Set[str],
        parameters: Parameters,
        clock: Callable[[], datetime],
    ) -> None:
        """`providers` are the names of those that are configured."""
        self._store = store
        self._audit = audit
        self._providers = providers
        self._parameters = parameters
        self._known = KnownUsers(store, clock)

    # ---- mail on behalf of a user

    async def behalf(self, caller: Caller, order: Order, *, names_sender: bool) -> Behalf:
        """For whom the caller sends: the user that the order names, or else the person that the caller is. Raises
        NotPermitted, or InvalidEmail for a user who is unknown or disabled, as `me` is where the caller is none."""
        user_id = order.user
        if user_id is None and not (names_sender and caller.has(Role.SEND)):
            user_id = caller.user
        if user_id is None:
            if not caller.has(Role.SEND):
                raise NotPermitted(f"This needs the role {Role.SEND.value}: you are no user known here")
            return Behalf(caller)
        pointer = f"{order.pointer}user"
        if user_key(user_id) == ME:
            if caller.user is None:
                raise InvalidEmail(FieldProblem(pointer, _is_no_user(caller)))
            user_id = caller.user
        if not _is_own(caller, user_id) and not _acts_for_others(caller):
            raise NotPermitted("is not you: a person sends for themselves alone", pointer=pointer)
        return Behalf(caller, await self._enabled(user_id, pointer))

    async def still_enabled(self, user_id: str) -> KnownUser:
        """The user of an email that was accepted before. Raises UserGone for one who is unknown or disabled by now."""
        known = await self._known.find(user_id)
        if known is None:
            raise UserGone("is not known any more: an administrator adds it again (PUT /api/users/{id})")
        if not known.user.enabled:
            raise UserGone(_IS_DISABLED)
        return known

    async def _enabled(self, user_id: str, pointer: str) -> KnownUser:
        known = await self._known.find(user_id)
        if known is None:
            detail = "is no known user: an administrator adds it (PUT /api/users/{id}), or leave it out and give `from`"
            raise InvalidEmail(FieldProblem(pointer, detail))
        if not known.user.enabled:
            raise InvalidEmail(FieldProblem(pointer, _IS_DISABLED))
        return known

    async def remember(self, asked: Behalf, provider: str) -> None:
        """What a person chose when they were asked. The email is safe already: a choice that cannot be kept is asked
        for again."""
        if asked.known is None or asked.known.options.after_choice(provider) == asked.known.options:
            return
        try:
            await self._change(
                asked.caller,
                asked.known.user.id,
                lambda known: _with_options(known, known.options.after_choice(provider)),
            )
        except EmailSubsystemError as error:
            logger.warning("what a user chose is not remembered: %s", where(error))

    # ---- administration, and a person's own

    async def read(self, caller: Caller, user_id: str) -> KnownUser:
        """`me` is the caller's own. Raises UserNotFound, or NotPermitted for another's."""
        return await self._stored(self._permitted_id(caller, user_id))

    async def list(self, query: UserQuery) -> UserPage:
        return await self._store.page(query)

    async def put(self, caller: Caller, user: User) -> tuple[KnownUser, bool]:
        """Adds the user, or puts these values in the place of what is known; the options stay. Returns whether it is
        new."""
        for _ in range(_MOST_TRIES):
            standing = await self._store.get(user.id)
            try:
                if standing is not None:
                    return await self._write(caller, standing, replace(standing, user=user)), False
                async with self._audit.records(
                    caller, Change(Action.USER_CREATED, user.id, None, _words(asdict(user)))
                ):
                    return self._known.keep(await self._store.write(KnownUser(user, UserOptions()))), True
            except LostRace:
                continue
        raise LostRace("a user")

    async def delete(self, caller: Caller, user_id: str) -> None:
        """The user's emails stay as they are. Raises UserNotFound."""
        known = await self._stored(self._permitted_id(caller, user_id))
        change = Change(Action.USER_DELETED, known.user.id, _words(asdict(known.user)), None)
        async with self._audit.records(caller, change):
            await self._store.delete(known)
        self._known.forget(known.user.id)

    async def change_options(self, caller: Caller, user_id: str, changes: Mapping[str, Any]) -> KnownUser:
        """`changes` are fields of UserOptions. Raises UserNotFound, NotPermitted, or InvalidEmail for a provider that
        the user may not choose."""
        if "sender" in changes and not caller.has(Role.ADMIN):
            raise NotPermitted("is an administrator's to set", pointer="/sender")
        return await self._change(
            caller,
            self._permitted_id(caller, user_id),
            lambda known: self._with_choice_checked(_with_options(known, known.options.changed(changes)), changes),
        )

    def choices(self, known: KnownUser) -> tuple[str, ...]:
        """What the user may choose from for interactive mail."""
        return choices_of(known, self._providers, self._parameters)

    async def merge(self, caller: Caller, rows: Sequence[UserRow]) -> None:
        """Adds and changes many users: an import. Raises ImportCutShort where it ended in the middle."""
        done = 0
        try:
            async with self._audit.records(
                caller, Change(Action.USERS_IMPORTED, "users", None, f"{len(rows):,} users")
            ):
                for start in range(0, len(rows), MOST_AT_ONCE):
                    together = rows[start : start + MOST_AT_ONCE]
                    async with self._audit.records(caller, *map(_imported, together)):
                        await self._store.merge(together)
                    done = min(start + MOST_AT_ONCE, len(rows))
        except StorageUnavailable as error:
            raise ImportCutShort(done, len(rows)) from error
        finally:
            self._known.forget_all()

    # ---- how it is done

    def _permitted_id(self, caller: Caller, user_id: str) -> str:
        if user_key(user_id) == ME:
            return self._own_id(caller)
        if not caller.has(Role.ADMIN) and not _is_own(caller, user_id):
            raise NotPermitted(f"Without the role {Role.ADMIN.value} you see yourself alone: ask for the user `{ME}`")
        return user_id

    @staticmethod
    def _own_id(caller: Caller) -> str:
        if caller.user is None:
            raise UserNotFound(f"`{ME}` {_is_no_user(caller)}")
        return caller.user

    async def _stored(self, user_id: str) -> KnownUser:
        known = await self._store.get(user_id) if is_user_id(user_id) else None
        if known is None:
            raise UserNotFound("There is no user with this id: GET /api/users lists them")
        return known

    async def _change(self, caller: Caller, user_id: str, edit: Callable[[KnownUser], KnownUser]) -> KnownUser:
        for _ in range(_MOST_TRIES):
            known = await self._stored(user_id)
            try:
                return await self._write(caller, known, edit(known))
            except LostRace:
                continue
        raise LostRace("a user")

    async def _write(self, caller: Caller, old: KnownUser, new: KnownUser) -> KnownUser:
        """Nothing is written, and nothing recorded, where nothing changes."""
        changes = _changes(old, new)
        if not changes:
            return self._known.keep(old)
        async with self._audit.records(caller, *changes):
            return self._known.keep(await self._store.write(new))

    def _with_choice_checked(self, known: KnownUser, changes: Mapping[str, Any]) -> KnownUser:
        provider, choices = changes.get("provider"), self.choices(known)
        if provider is not None and provider not in choices:
            problem = f"is none that this user can choose: {', '.join(choices)}, or null to be asked"
            raise InvalidEmail(FieldProblem("/provider", problem))
        return known


def _is_no_user(caller: Caller) -> str:
    """What is said of `me`, where the caller is no user."""
    if caller.is_person:
        return "is no user known here: an administrator adds you (PUT /api/users/{id})"
    return f"is nobody: there is no `{ME}` locally, nor for an app or a key. Name the user by its id"


def _is_own(caller: Caller, user_id: str) -> bool:
    return caller.user is not None and user_key(caller.user) == user_key(user_id)


def _acts_for_others(caller: Caller) -> bool:
    """An app does, a person only as an administrator."""
    return caller.has(Role.ADMIN) or (not caller.is_person and caller.has(Role.SEND))


def _with_options(known: KnownUser, options: UserOptions) -> KnownUser:
    return replace(known, options=options)


def _changes(old: KnownUser, new: KnownUser) -> tuple[Change, ...]:
    parts = ((Action.USER_CHANGED, old.user, new.user), (Action.OPTIONS_CHANGED, old.options, new.options))
    return tuple(
        _change_of(action, old.user.id, asdict(before), asdict(after))
        for action, before, after in parts
        if before != after
    )


def _change_of(action: Action, user_id: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    """Only what differs."""
    names = [name for name in after if before[name] != after[name]]
    return Change(
        action, user_id, _words({name: before[name] for name in names}), _words({name: after[name] for name in names})
    )


def _imported(row: UserRow) -> Change:
    """Without what was before, which an import does not read: it stands in the events before this one."""
    return Change(Action.USER_IMPORTED, row.id, None, _words(row.values) or None)


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_word(value)}" for name, value in values.items())


def _word(value: str | bool | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, "") else str(value)
