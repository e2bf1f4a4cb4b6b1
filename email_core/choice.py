"""Who an email is from, which way it goes and through whose mailbox. Pure: each answer comes with the rule that it is
from, in a sentence that `dry_run` shows."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from email_core.choice_of_provider import provider_for
from email_core.choice_of_sender import check_agent, sender_for
from email_core.errors import FieldProblem, InvalidEmail
from email_core.message import Address, masked
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.record import Mode
from email_core.users import KnownUser

_THROUGH_MAILBOXES = frozenset({"graph", "exchange"})  # they send from a mailbox of the organisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`mailbox` is a user's own, where interactive mail goes through it and is from another address. `rules` say what
    chose, in sentences. `asked` is for whom this provider was named, where a person chooses: it is to be remembered."""

    sender: Address
    provider: str
    mailbox: str | None = None
    user: str | None = None
    accepted_by: str | None = None
    rules: tuple[str, ...] = field(default=(), repr=False)
    asked: Behalf | None = None


def choose(
    requested: Address | None, order: Order, behalf: Behalf, configured: Set[str], parameters: Parameters
) -> Choice:
    """`requested` is the request's own From. Raises InvalidEmail, NotPermitted, ChooseProvider, UseMailApp or
    ConfigurationError."""
    provider, why = provider_for(order, behalf.known, configured, parameters)
    account = parameters.batch_mailbox_of(provider) if order.mode is Mode.BATCH else ""
    sender, rule = sender_for(requested, order, behalf, account, parameters)
    return _choice(order, behalf, sender, _from(sender, rule, requested), provider, why, account)


def choose_for_mime(
    written: Address,
    order: Order,
    behalf: Behalf,
    configured: Set[str],
    parameters: Parameters,
    agents: Sequence[Address] = (),
) -> Choice:
    """The same for finished MIME. Its From stands: one that the rules do not choose is refused. So is another in whose
    name it says to be sent (`agents`), where the caller may not send as that one."""
    provider, why = provider_for(order, behalf.known, configured, parameters)
    account = parameters.batch_mailbox_of(provider) if order.mode is Mode.BATCH else ""
    sender, rule = sender_for(written, order, behalf, "", parameters)
    if not written.is_at(sender.address):
        problem = f"is not the address to send from, {masked(sender.address)}: {rule}. Write that one, in full"
        raise InvalidEmail(FieldProblem(order.sender_pointer, problem))
    for agent in agents:
        check_agent(agent, written, behalf)
    return _choice(order, behalf, written, _from(written, rule), provider, why, account)


def _choice(
    order: Order, behalf: Behalf, sender: Address, rule: str, provider: str, why: str, batch_account: str
) -> Choice:
    known = behalf.known
    own = _own_mailbox(provider, order, known, sender)
    return Choice(
        sender=sender,
        provider=provider,
        mailbox=own,
        user=known.user.id if known else None,
        accepted_by=behalf.caller.id,
        rules=(
            rule,
            f"Through {provider} because {why}.",
            *_mailbox_rules(sender, batch_account, own),
        ),
        asked=behalf if known is not None and order.provider is not None and order.mode is Mode.INTERACTIVE else None,
    )


def _from(sender: Address, rule: str, requested: Address | None = None) -> str:
    if requested is None or requested.is_at(sender.address):
        return f"From {sender.address} because {rule}."
    return f"From {sender.address} in the place of {requested.address} because {rule}."


def _own_mailbox(provider: str, order: Order, known: KnownUser | None, sender: Address) -> str | None:
    """Interactive mail goes through the user's own mailbox, whoever it is from; an external user has none."""
    if provider not in _THROUGH_MAILBOXES or order.mode is Mode.BATCH or known is None or known.user.external:
        return None
    own = known.user.email
    return own if own is not None and not sender.is_at(own) else None


def _mailbox_rules(sender: Address, batch_account: str, own: str | None) -> tuple[str, ...]:
    if own is not None:
        return (f"It goes through the user's own mailbox {own}, which needs Send As for that From.",)
    if not batch_account:
        return ()
    needs = "" if sender.is_at(batch_account) else ", which needs Send As for that From"
    return (f"It goes through the mailbox of the batch account, {batch_account}{needs}.",)
