"""Who may see and change which user, what an accept reads of them, and what stands in the audit."""

from dataclasses import replace

import pytest

from email_core.audit import Action, AuditLog
from email_core.caller import LOCAL, Caller, Role
from email_core.errors import ImportCutShort, InvalidEmail, LostRace, NotPermitted, StorageUnavailable, UserNotFound
from email_core.known_users import KnownUsers
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.stores.memory import MemoryAuditStore, MemoryUserStore
from email_core.user_directory import Users
from email_core.users import KnownUser, User, UserOptions, UserQuery, UserRow
from tests.support.emails import Clock

ANN = User(id="ann", name="Ann", email="ann@contoso.com")
DISABLED = User(id="disabled", enabled=False)
ADMIN = Caller(id="user:0", name="Root", roles=frozenset({Role.ADMIN}))
APP = Caller(id="app:1", name="Shop", roles=frozenset({Role.SEND, Role.READ}))
PERSON = Caller(id="user:1", name="Ann", user="ANN")
SENDER = replace(PERSON, roles=frozenset({Role.SEND}))
STRANGER = Caller(id="user:2", name="Eve")


class CountingStore(MemoryUserStore):
    """Counts point reads. `rivals` writes fail first, as if somebody else had been quicker; `failing` merges do."""

    def __init__(self):
        super().__init__()
        self.reads = self.rivals = 0
        self.merges_until_failure = None
        self.down = False

    async def get(self, user_id):
        self.reads += 1
        return await super().get(user_id)

    async def write(self, known):
        if self.down:
            raise StorageUnavailable("write a user")
        if self.rivals:
            self.rivals -= 1
            raise LostRace("the user")
        return await super().write(known)

    async def merge(self, rows):
        if self.merges_until_failure == 0:
            raise StorageUnavailable("import users")
        if self.merges_until_failure is not None:
            self.merges_until_failure -= 1
        await super().merge(rows)


class World:
    def __init__(self):
        self.clock = Clock()
        self.store = CountingStore()
        self.audit = AuditLog(MemoryAuditStore(), self.clock)
        self.users = Users(
            store=self.store,
            audit=self.audit,
            providers={"smtp", "graph", "exchange"},
            parameters=Parameters(),
            clock=self.clock,
        )

    async def know(self, user=ANN, **options):
        return await self.store.write(KnownUser(user, UserOptions(**options)))

    async def options(self, user_id="ann"):
        return (await self.store.get(user_id)).options

    async def audited(self):
        events = (await self.audit.page(100)).items
        return [(one.by, one.change.action, one.change.subject, one.change.before, one.change.after) for one in events]


@pytest.fixture
def world():
    return World()


# ---- who may


@pytest.mark.parametrize(
    ("caller", "user_id", "found"),
    [
        (ADMIN, "ann", "ann"),
        (ADMIN, "bob", "bob"),
        (PERSON, "me", "ann"),
        (PERSON, "Me", "ann"),
        (PERSON, "Ann", "ann"),
    ],
)
async def test_administrator_sees_everybody_and_a_person_themselves(world, caller, user_id, found):
    await world.know()
    await world.know(User(id="bob"))
    assert (await world.users.read(caller, user_id)).user.id == found


@pytest.mark.parametrize("caller", [APP, PERSON, SENDER, STRANGER])
@pytest.mark.parametrize("user_id", ["bob", "nobody", "no/id"])
async def test_another_user_is_not_seen_and_not_changed_whether_there_or_not(world, caller, user_id):
    await world.know(User(id="bob"))
    for deed in (world.users.read(caller, user_id), world.users.change_options(caller, user_id, {"provider": "smtp"})):
        with pytest.raises(NotPermitted):
            await deed
    assert await world.options("bob") == UserOptions()


@pytest.mark.parametrize(
    ("caller", "user_id"),
    [(ADMIN, "nobody"), (ADMIN, "me"), (APP, "me"), (STRANGER, "me"), (PERSON, "me"), (ADMIN, "a/b")],
)
async def test_user_that_is_not_there_is_not_found(world, caller, user_id):
    with pytest.raises(UserNotFound):
        await world.users.read(caller, user_id)


@pytest.mark.parametrize("value", ["support@contoso.com", None])
async def test_sender_override_is_the_administrator_s_alone(world, value):
    await world.know(sender="office@contoso.com")
    with pytest.raises(NotPermitted) as caught:
        await world.users.change_options(PERSON, "me", {"sender": value, "ask_again": False})
    assert caught.value.problem.pointer == "/sender"
    assert await world.options() == UserOptions(sender="office@contoso.com")
    await world.users.change_options(ADMIN, "ann", {"sender": value})
    assert (await world.options()).sender == value


@pytest.mark.parametrize(
    ("user", "changes", "is_taken"),
    [
        (ANN, {"provider": "graph"}, True),
        (ANN, {"provider": "eml"}, True),
        (ANN, {"provider": None}, True),
        (ANN, {"provider": "pigeon"}, False),
        (replace(ANN, external=True), {"provider": "exchange"}, False),
        (replace(ANN, external=True), {"provider": "graph"}, False),
        (replace(ANN, external=True), {"provider": "graph", "sender": "shared@contoso.com"}, True),
    ],
)
async def test_provider_is_one_that_the_user_could_send_by(world, user, changes, is_taken):
    await world.know(user)
    if is_taken:
        assert (await world.users.change_options(ADMIN, "ann", changes)).options.provider == changes["provider"]
        return
    with pytest.raises(InvalidEmail) as caught:
        await world.users.change_options(ADMIN, "ann", changes)
    assert [one.pointer for one in caught.value.problems] == ["/provider"]
    assert await world.options() == UserOptions()


# ---- on whose behalf


@pytest.mark.parametrize(
    ("caller", "user", "names_sender", "acts_for"),
    [
        (APP, None, True, None),
        (APP, None, False, None),
        (APP, "Ann", True, "ann"),
        (PERSON, None, True, "ann"),
        (PERSON, None, False, "ann"),
        (PERSON, "me", False, "ann"),
        (PERSON, "ann", True, "ann"),
        (SENDER, None, False, "ann"),
        (SENDER, None, True, None),
        (ADMIN, "ann", False, "ann"),
    ],
)
async def test_mail_is_on_behalf_of_the_named_user_or_the_person_who_calls(world, caller, user, names_sender, acts_for):
    await world.know()
    behalf = await world.users.behalf(caller, Order(user=user), names_sender=names_sender)
    assert (behalf.known.user.id if behalf.known else None) == acts_for
    assert behalf.is_own == (acts_for is not None and caller.user is not None)


@pytest.mark.parametrize("user", ["nobody", "no/id", "disabled", "x" * 129])
@pytest.mark.parametrize("pointer", ["/", "?"])
async def test_user_who_is_unknown_or_disabled_sends_nothing(world, user, pointer):
    await world.know(User(id="disabled", enabled=False))
    with pytest.raises(InvalidEmail) as caught:
        await world.users.behalf(APP, Order(user=user, pointer=pointer), names_sender=True)
    assert [one.pointer for one in caught.value.problems] == [f"{pointer}user"]


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (APP, "there is no `me` locally, nor for an app or a key"),
        (LOCAL, "there is no `me` locally"),
        (STRANGER, "an administrator adds you"),
    ],
)
@pytest.mark.parametrize("pointer", ["/", "?"])
async def test_me_of_a_caller_who_is_no_user_sends_nothing(world, caller, words, pointer):
    with pytest.raises(InvalidEmail, match=words) as caught:
        await world.users.behalf(caller, Order(user="ME", pointer=pointer), names_sender=True)
    assert [one.pointer for one in caught.value.problems] == [f"{pointer}user"]


@pytest.mark.parametrize(("caller", "user"), [(PERSON, "bob"), (STRANGER, "bob"), (SENDER, "bob")])
async def test_person_sends_for_nobody_else(world, caller, user):
    await world.know(User(id="bob"))
    with pytest.raises(NotPermitted) as caught:
        await world.users.behalf(caller, Order(user=user), names_sender=False)
    assert caught.value.problem.pointer == "/user"


async def test_user_is_read_once_in_some_seconds_and_a_change_here_counts_at_once(world):
    await world.know()
    for _ in range(3):
        await world.users.behalf(APP, Order(user="ann"), names_sender=True)
    assert world.store.reads == 1
    await world.users.put(ADMIN, replace(ANN, name="New"))
    assert (await world.users.behalf(APP, Order(user="ANN"), names_sender=True)).known.user.name == "New"
    await world.users.delete(ADMIN, "ann")
    with pytest.raises(InvalidEmail):
        await world.users.behalf(APP, Order(user="ann"), names_sender=True)


async def test_caller_who_is_nobody_known_and_has_no_role_sends_nothing(world):
    with pytest.raises(NotPermitted):
        await world.users.behalf(STRANGER, Order(), names_sender=True)


@pytest.mark.parametrize("user", ["ann", "nobody"])
async def test_change_elsewhere_counts_after_some_seconds(world, user):
    known = KnownUsers(world.store, world.clock)
    for seconds, reads in ((0, 1), (4, 1), (1.1, 2)):
        world.clock.advance(seconds=seconds)
        await known.find(user)
        assert world.store.reads == reads


@pytest.mark.parametrize(("user_id", "person"), [("Ann", ANN), ("disabled", DISABLED), ("nobody", None), ("a/b", None)])
async def test_person_who_signs_in_is_a_known_user(world, user_id, person):
    await world.know()
    await world.know(DISABLED)
    assert await KnownUsers(world.store, world.clock).person(user_id) == person


# ---- changes and their audit


async def test_user_is_added_changed_and_deleted_and_each_stands_in_the_audit(world):
    _, added = await world.users.put(ADMIN, ANN)
    changed, again = await world.users.put(ADMIN, replace(ANN, email=None, enabled=False))
    await world.users.delete(ADMIN, "ANN")
    assert (added, again, changed.user.enabled) == (True, False, False)
    everything = "id: ann, name: Ann, email: {}, external: false, company: none, enabled: {}"
    assert sorted(await world.audited(), key=lambda event: event[1]) == [
        ("user:0", Action.USER_CHANGED, "ann", "email: ann@contoso.com, enabled: true", "email: none, enabled: false"),
        ("user:0", Action.USER_CREATED, "ann", None, everything.format("ann@contoso.com", "true")),
        ("user:0", Action.USER_DELETED, "ann", everything.format("none", "false"), None),
    ]


async def test_changed_user_keeps_their_options(world):
    await world.know(provider="graph")
    await world.users.put(ADMIN, replace(ANN, name="New"))
    assert await world.options() == UserOptions(provider="graph")


async def test_what_a_person_changes_of_their_options_stands_in_the_audit(world):
    await world.know(last_choice="smtp")
    await world.users.change_options(PERSON, "me", {"ask_again": False})
    before, after = (
        "provider: none, last_choice: smtp, ask_again: true",
        "provider: smtp, last_choice: none, ask_again: false",
    )
    assert await world.audited() == [("user:1", Action.OPTIONS_CHANGED, "ann", before, after)]


async def test_change_that_changes_nothing_is_neither_written_nor_recorded(world):
    known = await world.know(provider="smtp")
    await world.users.put(ADMIN, ANN)
    await world.users.change_options(ADMIN, "ann", {"provider": "smtp"})
    assert (await world.store.get("ann")).etag == known.etag
    assert await world.audited() == []


@pytest.mark.parametrize("known", [True, False])
async def test_change_that_others_are_first_with_is_made_again_and_recorded_once(world, known):
    if known:
        await world.know()
    world.store.rivals = 3
    await world.users.put(ADMIN, replace(ANN, name="New"))
    assert (await world.store.get("ann")).user.name == "New"
    assert len(await world.audited()) == 1


async def test_change_that_others_are_always_first_with_is_given_up(world):
    await world.know()
    world.store.rivals = 100
    with pytest.raises(LostRace):
        await world.users.change_options(ADMIN, "ann", {"provider": "smtp"})
    assert await world.audited() == []


# ---- what a choice leaves behind


@pytest.mark.parametrize(
    ("options", "remembered"),
    [
        ({}, {"last_choice": "graph"}),
        ({"ask_again": False}, {"ask_again": False, "provider": "graph"}),
        ({"provider": "smtp"}, {"provider": "smtp"}),
    ],
)
async def test_choice_of_a_person_who_was_asked_is_remembered(world, options, remembered):
    known = await world.know(**options)
    await world.users.remember(Behalf(APP, known), "graph")
    assert await world.options() == UserOptions(**remembered)
    assert len(await world.audited()) == (remembered != options)


async def test_choice_is_remembered_beside_what_changed_meanwhile(world):
    read = await world.know()
    await world.store.write(replace(read, options=UserOptions(workflow_notifications=True)))
    await world.users.remember(Behalf(APP, read), "graph")
    assert await world.options() == UserOptions(workflow_notifications=True, last_choice="graph")


async def test_choice_that_cannot_be_kept_is_no_failure(world, caplog):
    known = await world.know()
    world.store.down = True
    await world.users.remember(Behalf(APP, known), "graph")
    assert await world.options() == UserOptions()
    assert "not remembered" in caplog.text
    assert "ann" not in caplog.text.replace("Unavailable", "")


# ---- the list and the import


async def test_users_are_listed(world):
    await world.know()
    assert (await world.users.list(UserQuery())).items == (ANN,)


def rows(count):
    return [UserRow(f"user{number:03}", {"name": "Imported"}) for number in range(count)]


async def test_import_counts_at_once_and_tells_of_each_user(world):
    with pytest.raises(InvalidEmail):
        await world.users.behalf(APP, Order(user="user000"), names_sender=True)
    await world.users.merge(ADMIN, rows(250))
    behalf = await world.users.behalf(APP, Order(user="user000"), names_sender=True)
    assert behalf.known.user.name == "Imported"
    assert len((await world.users.list(UserQuery(limit=500))).items) == 250
    events = (await world.audit.page(500)).items
    assert {event.by for event in events} == {"user:0"}
    told = sorted((event.change.action, event.change.subject, event.change.after) for event in events)
    each = [(Action.USER_IMPORTED, f"user{number:03}", "name: Imported") for number in range(250)]
    assert told == [*each, (Action.USERS_IMPORTED, "users", "250 users")]


@pytest.mark.parametrize(("merges", "done"), [(0, 0), (2, 200)])
async def test_import_that_ended_in_the_middle_says_how_much_is_done_and_stays_in_the_audit(world, merges, done):
    world.store.merges_until_failure = merges
    with pytest.raises(ImportCutShort) as caught:
        await world.users.merge(ADMIN, rows(250))
    assert (caught.value.done, caught.value.total) == (done, 250)
    assert len((await world.users.list(UserQuery(limit=500))).items) == done
    assert len((await world.audit.page(500)).items) == 1 + min(
        done + 100, 250
    )  # nobody knows of the hundred at which it ended
