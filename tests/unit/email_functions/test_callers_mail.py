"""What a caller may hand over, see and change: everybody their own, and more by roles."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from email_core.audit import Action
from email_core.caller import Caller, Role
from email_core.errors import StorageUnavailable
from email_core.message import Address
from tests.support.doors import Doors, open_doors, small_email
from tests.support.emails import email

BILLING = Caller(id="app:billing", name="Billing", roles=frozenset({Role.SEND}))
SHOP = Caller(id="app:shop", name="Shop", roles=frozenset({Role.SEND}))
READER = Caller(id="app:reader", name="Reader", roles=frozenset({Role.READ}))
SENDING_READER = Caller(id="app:both", name="Both", roles=frozenset({Role.SEND, Role.READ}))
ADMINISTRATOR = Caller(id="user:admin", name="Admin", roles=frozenset({Role.ADMIN}))
ANN = Caller(id="user:ann", name="Ann", user="ann", allowed_senders=frozenset({"ann@contoso.com"}))
STEPPED_DOWN = replace(ANN, allowed_senders=frozenset({"new@contoso.com"}))
BOB = Caller(id="user:bob", name="Bob", user="bob")
STRANGER = Caller(id="user:stranger", name="Stranger")
MIME = b"From: %s\r\nTo: bob@example.com\r\nSubject: Hi\r\n\r\nHello\r\n"


@dataclass
class Anybody:
    """Signs in whoever a test says."""

    now: Caller = BILLING

    async def caller(self, headers, *, key):
        return self.now


@pytest.fixture
def who() -> Anybody:
    return Anybody()


@pytest.fixture
def doors(who) -> Iterator[Doors]:
    with open_doors(sign_in=who) as opened:
        yield opened


@pytest.fixture
async def sent(doors) -> str:
    """Handed over by Billing, on behalf of Ann."""
    await doors.know("ann", email="ann@contoso.com")
    return await kept(doors, accepted_by=BILLING.id, user="ann")


async def kept(doors: Doors, **about: str) -> str:
    record = email(**about)
    await doors.emails.insert(record, MIME % b"ann@contoso.com")
    return record.id


async def statuses(doors: Doors, who: Anybody, callers: list[Caller], method: str, url: str) -> list[int]:
    found = []
    for who.now in callers:
        found.append((await doors.call(method, url)).status)
    return found


# ---- seen


async def test_email_is_seen_by_its_own_and_by_readers(doors, who, sent):
    callers = [BILLING, ANN, READER, ADMINISTRATOR, SHOP, BOB, STRANGER]
    assert await statuses(doors, who, callers, "GET", f"/api/emails/{sent}") == [200, 200, 200, 200, 404, 404, 404]


async def test_file_has_what_the_list_shows_and_no_mail_of_others(doors, who, sent):
    found = {}
    for who.now in (BILLING, ANN, READER, ADMINISTRATOR, SHOP, BOB, STRANGER):
        answer = await doors.get("/api/emails.csv?view=unsent")
        assert answer.status == 200
        found[who.now.id] = sent in answer.body.decode()
    assert [caller for caller, seen in found.items() if seen] == [BILLING.id, ANN.id, READER.id, ADMINISTRATOR.id]


async def test_email_on_behalf_of_nobody_is_not_everybodys(doors, who):
    email_id = await kept(doors, accepted_by=BILLING.id)
    assert await statuses(doors, who, [BILLING, SHOP, STRANGER, ANN], "GET", f"/api/emails/{email_id}") == [
        200,
        404,
        404,
        404,
    ]
    assert (await doors.get("/api/emails?view=unsent")).json["items"] == []


async def test_email_of_before_callers_were_known_is_nobodys_own(doors, who):
    email_id = await kept(doors)
    assert await statuses(doors, who, [STRANGER, BILLING, READER], "GET", f"/api/emails/{email_id}") == [404, 404, 200]


async def test_email_of_others_is_answered_as_one_that_is_not_there(doors, who, sent):
    who.now = BOB
    hidden = await doors.get(f"/api/emails/{sent}")
    missing = await doors.get(f"/api/emails/{sent[:-1]}{'q' if sent[-1] != 'q' else 'r'}")
    assert (hidden.status, hidden.json["title"]) == (missing.status, missing.json["title"])


@pytest.mark.parametrize(
    ("caller", "count"),
    [(BILLING, 1), (SHOP, 1), (ANN, 2), (BOB, 0), (STRANGER, 0), (READER, 2), (ADMINISTRATOR, 2)],
    ids=lambda value: getattr(value, "name", value),
)
async def test_list_has_what_the_caller_may_see(doors, who, sent, caller, count):
    await kept(doors, accepted_by=SHOP.id, user="ann")
    who.now = caller
    assert len((await doors.get("/api/emails?view=unsent")).json["items"]) == count


async def test_filter_widens_no_list(doors, who, sent):
    who.now = BOB
    assert (await doors.get("/api/emails?view=unsent&user=ann")).json["items"] == []


async def test_content_is_seen_by_its_own_and_by_administrators(doors, who, sent):
    callers = [BILLING, ANN, ADMINISTRATOR, READER, SHOP, BOB]
    for query in ("", "?draft=true"):
        found = await statuses(doors, who, callers, "GET", f"/api/emails/{sent}/eml{query}")
        assert found == [200, 200, 200, 403, 404, 404]


async def test_every_reading_of_content_is_audited(doors, who, sent):
    await statuses(doors, who, [ANN, ADMINISTRATOR], "GET", f"/api/emails/{sent}/eml")
    await statuses(doors, who, [BILLING], "GET", f"/api/emails/{sent}/eml?draft=true")
    await statuses(doors, who, [READER, BOB], "GET", f"/api/emails/{sent}/eml")
    events = sorted((event.by, event.change.action, event.change.subject) for event in doors.audit.events.values())
    readers = sorted(["user:ann", "user:admin", "app:billing"])
    assert events == [(reader, Action.CONTENT_READ, sent) for reader in readers]


async def test_content_that_cannot_be_audited_is_not_shown(doors, who, sent, monkeypatch):
    async def fails(events):
        raise StorageUnavailable("write the audit")

    monkeypatch.setattr(doors.audit, "insert", fails)
    assert (await doors.get(f"/api/emails/{sent}/eml")).status == 503


# ---- changed


@pytest.mark.parametrize(
    ("caller", "status"),
    [(BILLING, 200), (ANN, 200), (SENDING_READER, 200), (ADMINISTRATOR, 200), (READER, 403), (SHOP, 404), (BOB, 404)],
    ids=lambda value: getattr(value, "name", value),
)
async def test_email_is_canceled_by_its_own_and_by_senders_who_see_it(doors, who, sent, caller, status):
    who.now = caller
    assert (await doors.post(f"/api/emails/{sent}/cancel")).status == status


@pytest.mark.parametrize(
    ("caller", "status"),
    [(BILLING, 202), (ANN, 202), (SENDING_READER, 202), (ADMINISTRATOR, 202), (READER, 403), (SHOP, 404), (BOB, 404)],
    ids=lambda value: getattr(value, "name", value),
)
async def test_email_is_resent_by_its_own_and_by_senders_who_see_it(doors, who, sent, caller, status):
    await doors.post(f"/api/emails/{sent}/cancel")
    who.now = caller
    assert (await doors.post(f"/api/emails/{sent}/resend")).status == status


async def test_resent_email_is_still_that_of_its_owner(doors, who, sent):
    await doors.post(f"/api/emails/{sent}/cancel")
    who.now = ADMINISTRATOR
    again = (await doors.post(f"/api/emails/{sent}/resend")).json["id"]
    assert await statuses(doors, who, [BILLING, ANN, BOB], "GET", f"/api/emails/{again}") == [200, 200, 404]


async def test_what_is_done_to_mail_of_others_is_audited_and_to_ones_own_not(doors, who, sent):
    who.now = SENDING_READER
    await doors.post(f"/api/emails/{sent}/cancel")
    await doors.post(f"/api/emails/{sent}/cancel")  # 409: it did not happen
    who.now = ADMINISTRATOR
    await doors.post(f"/api/emails/{sent}/resend")
    who.now = ANN
    await doors.post(f"/api/emails/{sent}/resend")
    events = {(event.by, event.change.action, event.change.subject) for event in doors.audit.events.values()}
    assert events == {("app:both", Action.EMAIL_CANCELED, sent), ("user:admin", Action.EMAIL_RESENT, sent)}


@pytest.mark.parametrize(
    ("caller", "user", "status"),
    [
        (ANN, {"email": "ann@contoso.com", "enabled": False}, 409),
        (BILLING, {"email": "ann@contoso.com", "enabled": False}, 409),
        (ADMINISTRATOR, {"email": "ann@contoso.com", "enabled": False}, 409),
        (STEPPED_DOWN, {"email": "new@contoso.com"}, 403),
        (STEPPED_DOWN, {"email": "new@contoso.com", "sender": "ann@contoso.com"}, 202),
        (STEPPED_DOWN, {"email": "ANN@contoso.com"}, 202),
    ],
)
async def test_email_is_not_resent_where_it_would_not_be_accepted_now(doors, who, caller, user, status):
    await doors.know("ann", **user)
    email_id = await kept(doors, accepted_by=BILLING.id, user="ann")
    await doors.post(f"/api/emails/{email_id}/cancel")
    who.now = caller
    assert (await doors.post(f"/api/emails/{email_id}/resend")).status == status


@pytest.mark.parametrize(
    ("user", "fix"), [("gone", "PUT /api/users/{id}"), ("off", "an administrator can enable it again")]
)
async def test_resend_for_a_user_who_is_gone_tells_the_fix_and_points_to_no_field(doors, who, user, fix):
    await doors.know("off", enabled=False)
    email_id = await kept(doors, accepted_by=BILLING.id, user=user)
    who.now = BILLING
    answer = await doors.post(f"/api/emails/{email_id}/resend")
    assert (answer.status, answer.pointers, fix in answer.json["detail"]) == (409, [], True)


async def test_email_of_others_is_not_marked_as_sent(doors, who, sent):
    found = await statuses(doors, who, [SHOP, BILLING], "POST", f"/api/emails/{sent}/mark-sent")
    assert found == [404, 409]


async def test_idempotency_key_is_the_callers_own(doors, who):
    first = await doors.post("/api/emails", small_email(), idempotency_key="order-42")
    again = await doors.post("/api/emails", small_email(), idempotency_key="order-42")
    who.now = SHOP
    other = await doors.post("/api/emails", small_email(), idempotency_key="order-42")
    assert first.json["id"] == again.json["id"] != other.json["id"]


# ---- as whom an app sends

LIMITED = Caller(
    id="app:limited",
    name="Limited",
    roles=frozenset({Role.SEND, Role.READ}),
    allowed_senders=frozenset({"ann@contoso.com", "@news.contoso.com"}),
)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("ann@contoso.com", True),
        ("ANN@Contoso.com", True),
        ("weekly@news.contoso.com", True),
        ("bob@contoso.com", False),
        ("ann@sub.news.contoso.com", False),
        ("ann@news.contoso.com.evil.example", False),
        ("ann@evil-news.contoso.com", False),
        ("@news.contoso.com@evil.example", False),
        ("", False),
    ],
)
def test_caller_sends_as_those_it_may(address, allowed):
    assert LIMITED.may_send_as(address) is allowed
    assert BILLING.may_send_as(address)


def test_app_that_may_send_as_nobody_sends_as_nobody():
    assert not Caller(id="app:x", name="X", allowed_senders=frozenset()).may_send_as("ann@contoso.com")


@pytest.mark.parametrize(("address", "status"), [("ann@contoso.com", 202), ("bob@contoso.com", 403)])
async def test_app_resends_only_as_a_sender_that_it_may_use(doors, who, address, status):
    resent = email(sender=Address(address), accepted_by=LIMITED.id)
    await doors.emails.insert(resent, MIME % address.encode())
    who.now = LIMITED
    await doors.post(f"/api/emails/{resent.id}/cancel")
    assert (await doors.post(f"/api/emails/{resent.id}/resend")).status == status
