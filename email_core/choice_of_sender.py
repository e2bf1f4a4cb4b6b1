"""Who an email is from: the user's sender override, then their own address, then the request's From if the caller may
use it, then the parameter `default_sender` (facts/dynamics, "User options"). With Graph or Exchange the sender of batch
mail is the batch account: in the place of a user's own address, and where nobody else is named."""

from email_core.addresses import parse_address
from email_core.caller import Role
from email_core.errors import ConfigurationError, FieldProblem, InvalidEmail, NotPermitted
from email_core.message import Address
from email_core.order import Behalf, Order
from email_core.parameters import Parameters
from email_core.users import KnownUser


def sender_for(
    requested: Address | None, order: Order, behalf: Behalf, batch_account: str, parameters: Parameters
) -> tuple[Address, str]:
    """The address, and the rule that names it. `requested` is the request's own From, `batch_account` the mailbox that
    it goes through, "" for none. Raises InvalidEmail, NotPermitted or ConfigurationError."""
    known = behalf.known
    if known is not None and batch_account and known.options.sender is None:
        sender = parse_address(batch_account)
        _check_acts_for(behalf, sender, order)
        return _as_requested(sender, requested), _BATCH_ACCOUNT
    if known is not None and (own := _of_user(known)) is not None:
        sender, rule = own
        _check_acts_for(behalf, sender, order)
        return _as_requested(sender, requested), rule
    if requested is not None:
        _check_may_use(requested, order, behalf)
        return requested, "the request names it"
    sender, rule = _of_nobody(order, known, batch_account, parameters)
    _check_may_leave_out(sender, order, behalf)
    return sender, rule


def check_agent(agent: Address, sender: Address, behalf: Behalf) -> None:
    """Mail programs show who sent a message "on behalf of" its From. Raises NotPermitted."""
    is_allowed = behalf.caller.has(Role.SEND) and behalf.caller.may_send_as(agent.address)
    if not agent.is_at(sender.address) and not is_allowed:
        detail = "names another as the one who sends it, as whom you may not send: leave it out"
        raise NotPermitted(detail, pointer="/Sender")


def default_address(text: str) -> Address:
    """The parameter `default_sender`, checked. Raises ConfigurationError."""
    try:
        return parse_address(text)
    except ValueError as problem:
        raise ConfigurationError("default_sender", str(problem), "Give one address, or leave it empty.") from None


_BATCH_ACCOUNT = "batch mail through this provider is sent by the batch account"


def _of_nobody(
    order: Order, known: KnownUser | None, batch_account: str, parameters: Parameters
) -> tuple[Address, str]:
    """Where neither a user's address nor a From names one."""
    if parameters.default_sender:
        reason = "the user has no address" if known is not None else "nobody is named"
        return default_address(parameters.default_sender), f"it is the parameter default_sender, and {reason}"
    if batch_account:
        return parse_address(batch_account), _BATCH_ACCOUNT
    user = "the user has no address, and " if known is not None else ""
    problem = f"is required: {user}the parameter default_sender is not set"
    raise InvalidEmail(FieldProblem(order.sender_pointer, problem))


def _of_user(known: KnownUser) -> tuple[Address, str] | None:
    if known.options.sender is not None:
        return Address(known.options.sender), f"it is the sender override of the user {known.user.id}"
    if known.user.email is not None:
        return Address(known.user.email, known.user.name), f"it is the address of the user {known.user.id}"
    return None


def _as_requested(sender: Address, requested: Address | None) -> Address:
    """With the name that the request gives to the same address."""
    if requested is not None and requested.is_at(sender.address) and requested.name:
        return requested
    return sender


def _check_acts_for(behalf: Behalf, sender: Address, order: Order) -> None:
    """An app that is limited to some senders gets no others by naming a user."""
    if not behalf.is_own and not behalf.caller.may_send_as(sender.address):
        detail = "is a user whose sender you may not use: an administrator adds it to the senders allowed to you"
        raise NotPermitted(detail, pointer=f"{order.pointer}user")


def _check_may_leave_out(sender: Address, order: Order, behalf: Behalf) -> None:
    """What an administrator chose for those who name nobody is open to a person who acts for themselves, and to whoever
    could name it."""
    if not behalf.is_own and not behalf.caller.may_send_as(sender.address):
        detail = "is not given, and the address that stands for it is no sender that you may use: give one that is"
        raise NotPermitted(detail, pointer=order.sender_pointer)


def _check_may_use(requested: Address, order: Order, behalf: Behalf) -> None:
    if not behalf.caller.has(Role.SEND):
        detail = f"cannot be chosen without the role {Role.SEND.value}: an administrator sets your user's address"
        raise NotPermitted(detail, pointer=order.sender_pointer)
    if not behalf.caller.may_send_as(requested.address):
        detail = "is no sender that you may use: an administrator adds it to the senders allowed to you"
        raise NotPermitted(detail, pointer=order.sender_pointer)
