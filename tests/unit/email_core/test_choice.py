"""Who an email is from and which way it goes: a table for each rule."""

import re
from dataclasses import replace

import pytest

from email_core.caller import LOCAL, Caller, Role
from email_core.choice import choose, choose_for_mime
from email_core.choice_of_provider import choices_of
from email_core.errors import (
    ChooseProvider,
    ConfigurationError,
    InvalidEmail,
    NotPermitted,
    UseMailApp,
)
from email_core.message import Address
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.record import Mode
from email_core.users import KnownUser, User, UserOptions

ALL = frozenset({"smtp", "graph", "exchange"})
SMTP = frozenset({"smtp"})
ANN = User(id="ann", name="Ann", email="ann@contoso.com")
ANNS = Address("ann@contoso.com", "Ann")
APP = Address("app@contoso.com", "The App")
PERSON = Caller(id="user:1", name="Ann", user="ann")
LIMITED = Caller(
    id="app:1", name="Shop", roles=frozenset({Role.SEND}), allowed_senders=frozenset({"app@contoso.com", "@shop.test"})
)


def chosen(
    requested=None,
    *,
    user=ANN,
    caller=LOCAL,
    mode=Mode.BATCH,
    provider=None,
    configured=ALL,
    parameters=None,
    choose=choose,
    options=None,
    **more_options,
):
    known = KnownUser(user, UserOptions(**(options or {}) | more_options)) if user else None
    behalf = Behalf(caller, known)
    pointer = "/" if choose is not choose_for_mime else "?"
    order = Order(mode=mode, provider=provider, user=user.id if user else None, pointer=pointer)
    return choose(requested, order, behalf, configured, Parameters(**(parameters or {})))


# ---- the sender

OVERRIDE = {"sender": "support@contoso.com"}
SUPPORT = Address("support@contoso.com")
DEFAULT = {"default_sender": "office@contoso.com"}
OFFICE = Address("office@contoso.com")
NOBODY_S = replace(ANN, email=None)


@pytest.mark.parametrize(
    ("asked", "sender", "because"),
    [
        ({**OVERRIDE, "requested": APP}, SUPPORT, "it is the sender override of the user ann"),
        ({"requested": APP}, ANNS, "it is the address of the user ann"),
        ({"parameters": DEFAULT}, ANNS, "it is the address of the user ann"),
        ({"user": NOBODY_S, "requested": APP}, APP, "the request names it"),
        ({"user": NOBODY_S, **OVERRIDE}, SUPPORT, "it is the sender override of the user ann"),
        (
            {"user": NOBODY_S, "parameters": DEFAULT},
            OFFICE,
            "it is the parameter default_sender, and the user has no address",
        ),
        ({"user": None, "requested": APP, "parameters": DEFAULT}, APP, "the request names it"),
        ({"user": None, "parameters": DEFAULT}, OFFICE, "it is the parameter default_sender, and nobody is named"),
    ],
)
def test_sender_is_by_the_first_rule_that_names_one(asked, sender, because):
    choice = chosen(**asked)
    assert choice.sender == sender
    assert choice.rules[0].startswith(f"From {sender.address} ")
    assert choice.rules[0].endswith(f" because {because}.")


@pytest.mark.parametrize(
    ("requested", "name"),
    [
        (Address("ANN@contoso.com", "Ann from Sales"), "Ann from Sales"),
        (Address("eve@contoso.com", "Eve"), "Ann"),
        (Address("ann@contoso.com"), "Ann"),
        (None, "Ann"),
    ],
)
def test_request_may_say_what_the_same_address_is_called(requested, name):
    assert chosen(requested).sender.name == name


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (APP, "From ann@contoso.com in the place of app@contoso.com because it is the address of the user ann."),
        (Address("ANN@contoso.com"), "From ann@contoso.com because it is the address of the user ann."),
        (None, "From ann@contoso.com because it is the address of the user ann."),
    ],
)
def test_rule_names_the_from_that_it_replaces(requested, words):
    assert chosen(requested).rules[0] == words


@pytest.mark.parametrize("user", [None, NOBODY_S])
def test_without_any_sender_from_is_required(user):
    with pytest.raises(InvalidEmail) as caught:
        chosen(user=user)
    assert [one.pointer for one in caught.value.problems] == ["/from"]


def test_default_sender_that_is_no_address_is_the_administrator_s_to_mend():
    with pytest.raises(ConfigurationError, match="default_sender"):
        chosen(user=None, parameters={"default_sender": "nobody"})


# ---- the sender of batch mail through Graph or Exchange

ACCOUNTS = {"graph_batch_mailbox": "Batch@contoso.com", "exchange_batch_mailbox": "old@contoso.com"}
BATCH_RULE = "batch mail through this provider is sent by the batch account"


@pytest.mark.parametrize(
    ("asked", "sender", "rule"),
    [
        ({"provider": "graph"}, "Batch@contoso.com", BATCH_RULE),
        ({"provider": "graph", "requested": APP}, "Batch@contoso.com", BATCH_RULE),
        ({"provider": "exchange"}, "old@contoso.com", BATCH_RULE),
        ({"provider": "graph", **OVERRIDE}, "support@contoso.com", "it is the sender override of the user ann"),
        ({"provider": "graph", "user": None, "requested": APP}, "app@contoso.com", "the request names it"),
        ({"provider": "graph", "user": None}, "Batch@contoso.com", BATCH_RULE),
        ({"provider": "smtp"}, "ann@contoso.com", "it is the address of the user ann"),
        ({"provider": "graph", "mode": Mode.INTERACTIVE}, "ann@contoso.com", "it is the address of the user ann"),
    ],
)
def test_batch_mail_through_graph_or_exchange_is_the_batch_account_s(asked, sender, rule):
    choice = chosen(**asked, parameters=ACCOUNTS)
    assert choice.sender.address == sender
    assert choice.rules[0].startswith(f"From {sender} ")
    assert choice.rules[0].endswith(f" because {rule}.")
    assert choice.mailbox is None


def test_without_a_batch_account_batch_mail_through_graph_is_the_user_s():
    assert chosen(provider="graph").sender == ANNS


# ---- who may send as whom


@pytest.mark.parametrize(
    "asked",
    [
        {"caller": LIMITED, "user": None, "requested": APP},
        {"caller": LIMITED, "user": None, "requested": Address("any@shop.test")},
        {"caller": LIMITED, "user": None, "parameters": {"default_sender": "App@contoso.com"}},
        {"caller": LIMITED, "sender": "app@contoso.com"},
        {"caller": LIMITED, "provider": "graph", "parameters": {"graph_batch_mailbox": "batch@shop.test"}},
        {"caller": PERSON},
        {"caller": PERSON, "provider": "graph", "parameters": ACCOUNTS},
        {"caller": replace(PERSON, allowed_senders=frozenset()), "user": NOBODY_S, "parameters": DEFAULT},
        {"caller": PERSON, **OVERRIDE},
        {"caller": replace(PERSON, allowed_senders=frozenset())},
    ],
)
def test_sender_that_the_caller_may_use_is_taken(asked):
    assert chosen(**asked).accepted_by == asked["caller"].id


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"caller": LIMITED, "user": None, "requested": ANNS}, "/from"),
        ({"caller": LIMITED, "user": None, "requested": Address("x@sub.shop.test")}, "/from"),
        ({"caller": LIMITED, "user": None, "parameters": DEFAULT}, "/from"),
        ({"caller": LIMITED, "user": NOBODY_S, "parameters": DEFAULT}, "/from"),
        ({"caller": LIMITED, "user": None, "provider": "graph", "parameters": ACCOUNTS}, "/from"),
        ({"caller": LIMITED, "provider": "graph", "parameters": ACCOUNTS}, "/user"),
        ({"caller": LIMITED}, "/user"),
        ({"caller": LIMITED, **OVERRIDE}, "/user"),
        ({"caller": PERSON, "user": NOBODY_S, "requested": APP}, "/from"),
        ({"caller": LIMITED, "user": None, "requested": ANNS, "choose": choose_for_mime}, "/From"),
        ({"caller": LIMITED, "requested": ANNS, "choose": choose_for_mime}, "?user"),
    ],
)
def test_sender_that_the_caller_may_not_use_is_refused(asked, pointer):
    with pytest.raises(NotPermitted) as caught:
        chosen(**asked)
    assert caught.value.problem.pointer == pointer
    assert "@" not in str(caught.value)


# ---- finished MIME


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        (Address("Ann@contoso.com", "Ann of the MIME"), {}),
        (SUPPORT, OVERRIDE),
        (ANNS, {"provider": "graph", "parameters": ACCOUNTS}),
        (APP, {"user": None}),
        (APP, {"user": NOBODY_S}),
    ],
)
def test_from_of_finished_mime_stands_where_the_rules_choose_it_too(written, asked):
    assert chosen(written, choose=choose_for_mime, **asked).sender == written


@pytest.mark.parametrize(
    ("written", "options", "right"), [(APP, {}, "a***@contoso.com"), (ANNS, OVERRIDE, "s***@contoso.com")]
)
def test_from_of_finished_mime_that_the_rules_do_not_choose_is_refused(written, options, right):
    with pytest.raises(InvalidEmail) as caught:
        chosen(written, choose=choose_for_mime, **options)
    assert [one.pointer for one in caught.value.problems] == ["/From"]
    assert re.findall(r"\S+@[\w.]+", str(caught.value)) == [right]


# ---- the mailbox


@pytest.mark.parametrize(
    ("asked", "mailbox"),
    [
        ({"provider": "graph", **OVERRIDE}, "ann@contoso.com"),
        ({"provider": "exchange", **OVERRIDE}, "ann@contoso.com"),
        ({"provider": "smtp", **OVERRIDE}, None),
        ({"provider": "graph"}, None),
        ({"provider": "graph", "sender": "ANN@contoso.com"}, None),
        ({"provider": "graph", "user": None, "requested": APP}, None),
        ({"provider": "graph", "user": NOBODY_S, "requested": APP}, None),
        ({"provider": "graph", "user": replace(ANN, external=True), **OVERRIDE}, None),
        ({"provider": "graph", "mode": Mode.BATCH, **OVERRIDE}, None),
    ],
)
def test_interactive_mail_goes_through_the_user_s_own_mailbox(asked, mailbox):
    choice = chosen(**{"mode": Mode.INTERACTIVE} | asked)
    assert choice.mailbox == mailbox
    assert (len(choice.rules) == 3) == (mailbox is not None)


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        (
            {"mode": Mode.INTERACTIVE, **OVERRIDE},
            "It goes through the user's own mailbox ann@contoso.com, which needs Send As for that From.",
        ),
        (
            {"parameters": ACCOUNTS, **OVERRIDE},
            "It goes through the mailbox of the batch account, Batch@contoso.com, which needs Send As for that From.",
        ),
        ({"parameters": ACCOUNTS}, "It goes through the mailbox of the batch account, Batch@contoso.com."),
    ],
)
def test_mailbox_that_is_not_the_sender_s_is_told_with_what_it_needs(asked, rule):
    assert chosen(provider="graph", **asked).rules[2] == rule


# ---- the provider

INTERACTIVE = {"mode": Mode.INTERACTIVE}
CHOSE = "the user ann has chosen it"
LAST = "the user ann chose it last, and has not reset that"
ONLY = "it is the only provider that is open to this user"
IN_MAILBOX = {"sender": "shared@contoso.com"}


@pytest.mark.parametrize(
    ("asked", "provider", "because"),
    [
        ({"provider": "graph"}, "graph", "the request names it"),
        ({"provider": "graph", **INTERACTIVE}, "graph", "the request names it"),
        ({"options": {"provider": "smtp"}, "provider": "graph"}, "graph", "the request names it"),
        ({"options": {"provider": "graph"}}, "graph", CHOSE),
        ({"options": {"provider": "graph"}, **INTERACTIVE}, "graph", CHOSE),
        ({"options": {"provider": "graph", "last_choice": "smtp"}, **INTERACTIVE}, "graph", CHOSE),
        ({"options": {"last_choice": "graph"}, **INTERACTIVE}, "graph", LAST),
        ({"options": {"last_choice": "graph"}}, "smtp", "it is the batch provider"),
        ({"options": {"provider": "eml"}}, "smtp", "it is the batch provider"),
        ({"options": {"provider": "graph"}, "configured": SMTP}, "smtp", "it is the batch provider"),
        ({}, "smtp", "it is the batch provider"),
        ({"user": None, "requested": APP}, "smtp", "it is the batch provider"),
        ({"parameters": {"batch_provider": "exchange"}}, "exchange", "it is the batch provider"),
        ({"configured": SMTP, **INTERACTIVE}, "smtp", ONLY),
        (
            {"configured": SMTP, "user": None, "requested": APP, **INTERACTIVE},
            "smtp",
            "it is the only provider that is open to users",
        ),
        (
            {"options": {"provider": "graph"}, "configured": SMTP, **INTERACTIVE},
            "smtp",
            ONLY,
        ),
        (
            {"configured": {"graph"}, "parameters": {"batch_provider": "smtp"}, **INTERACTIVE},
            "graph",
            ONLY,
        ),
    ],
)
def test_provider_is_by_the_first_rule_that_names_one(asked, provider, because):
    choice = chosen(**asked)
    assert choice.provider == provider
    assert choice.rules[1] == f"Through {provider} because {because}."


@pytest.mark.parametrize(
    ("asked", "choices"),
    [
        ({}, ("smtp", "graph", "exchange", "eml")),
        ({"configured": {"graph", "smtp"}}, ("smtp", "graph", "eml")),
        ({"user": None}, ("smtp", "graph", "exchange", "eml")),
        ({"options": {"provider": "exchange"}, "configured": {"graph", "smtp"}}, ("smtp", "graph", "eml")),
    ],
)
def test_person_with_several_to_choose_from_is_asked(asked, choices):
    with pytest.raises(ChooseProvider) as caught:
        chosen(mode=Mode.INTERACTIVE, **asked)
    assert caught.value.choices == choices


@pytest.mark.parametrize("options", [{"provider": "eml"}, {"last_choice": "eml"}])
def test_user_of_a_mail_app_is_sent_there(options):
    with pytest.raises(UseMailApp):
        chosen(mode=Mode.INTERACTIVE, options=options, configured=SMTP)


@pytest.mark.parametrize(
    ("provider", "configured", "words"),
    [
        ("pigeon", ALL, "'pigeon' is not a configured provider"),
        ("graph", SMTP, "an administrator configures it by the parameter graph_credential"),
        ("eml", ALL, "/api/eml"),
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_named_provider_that_cannot_send_is_refused(provider, configured, words, mode):
    with pytest.raises(InvalidEmail, match=words) as caught:
        chosen(provider=provider, configured=configured, mode=mode)
    assert [one.pointer for one in caught.value.problems] == ["/provider"]


@pytest.mark.parametrize("asked", [{}, INTERACTIVE])
def test_without_any_provider_the_administrator_has_to_configure_one(asked):
    with pytest.raises(ConfigurationError, match="smtp_server"):
        chosen(configured=frozenset(), **asked)


def test_batch_provider_that_is_not_configured_is_the_administrator_s_to_mend():
    with pytest.raises(ConfigurationError, match="graph_credential"):
        chosen(configured=SMTP, parameters={"batch_provider": "graph"})


# ---- external users

EVE = User(id="eve", email="eve@partner.test", external=True)


@pytest.mark.parametrize(
    ("asked", "provider"),
    [
        (INTERACTIVE, "smtp"),
        ({"options": {"provider": "exchange"}, **INTERACTIVE}, "smtp"),
        ({"options": {"provider": "exchange"}}, "smtp"),
        ({"options": {"provider": "graph"}}, "smtp"),
        ({"options": {"provider": "graph"}, "parameters": ACCOUNTS}, "graph"),
        ({"options": {"provider": "graph", **IN_MAILBOX}, **INTERACTIVE}, "graph"),
        ({"options": IN_MAILBOX, "provider": "graph"}, "graph"),
    ],
)
def test_external_user_sends_where_no_mailbox_of_theirs_is_needed(asked, provider):
    assert chosen(user=EVE, **asked).provider == provider


@pytest.mark.parametrize(
    "asked",
    [
        {"provider": "exchange"},
        {"provider": "exchange", **INTERACTIVE},
        {"provider": "exchange", "parameters": ACCOUNTS},
        {"provider": "exchange", **IN_MAILBOX, **INTERACTIVE},
        {"provider": "graph"},
        {"provider": "graph", **INTERACTIVE},
        {"provider": "graph", "parameters": ACCOUNTS, **INTERACTIVE},
        {"parameters": {"batch_provider": "exchange", **ACCOUNTS}},
        {"parameters": {"batch_provider": "graph"}},
        {"configured": frozenset({"exchange"}), **INTERACTIVE},
        {"configured": frozenset({"exchange", "graph"}), **INTERACTIVE},
    ],
)
def test_external_user_never_sends_by_exchange_nor_by_a_mailbox_that_they_lack(asked):
    with pytest.raises(InvalidEmail) as caught:
        chosen(user=EVE, **asked)
    assert [one.pointer for one in caught.value.problems] == ["/provider"]


@pytest.mark.parametrize(
    ("user", "options", "choices"),
    [
        (ANN, {}, ("smtp", "graph", "exchange", "eml")),
        (EVE, {}, ("smtp", "eml")),
        (EVE, IN_MAILBOX, ("smtp", "graph", "eml")),
    ],
)
def test_choices_are_those_that_the_user_could_send_by(user, options, choices):
    assert choices_of(KnownUser(user, UserOptions(**options)), ALL, Parameters()) == choices


# ---- what is remembered


@pytest.mark.parametrize(
    ("asked", "is_remembered"),
    [
        ({"provider": "smtp", **INTERACTIVE}, True),
        ({"provider": "smtp"}, False),
        ({"configured": SMTP, **INTERACTIVE}, False),
        ({"provider": "smtp", "user": None, "requested": APP, **INTERACTIVE}, False),
    ],
)
def test_only_a_provider_that_a_person_was_asked_for_is_remembered(asked, is_remembered):
    assert (chosen(**asked).asked is not None) == is_remembered
