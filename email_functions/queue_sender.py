"""The queue triggers: each doorbell is answered by the core. Batch and interactive mail never wait for each other."""

import logging
from collections.abc import Awaitable, Callable

import azure.functions as func

from email_core.assembly import subsystem
from email_core.delivery import Delivery
from email_core.errors import StorageUnavailable, WrongParameters
from email_core.logs import where
from email_core.record import Mode
from email_core.storage_clients import STORAGE_SETTING
from email_core.stores.base import POISON, QUEUE_NAMES, Doorbell
from email_core.stores.doorbell_text import doorbell_from_text

blueprint = func.Blueprint()
logger = logging.getLogger(__name__)


@blueprint.queue_trigger("doorbell", QUEUE_NAMES[Mode.BATCH], STORAGE_SETTING)
async def send_batch_email(doorbell: func.QueueMessage) -> None:
    await _answer(doorbell)


@blueprint.queue_trigger("doorbell", QUEUE_NAMES[Mode.INTERACTIVE], STORAGE_SETTING)
async def send_interactive_email(doorbell: func.QueueMessage) -> None:
    await _answer(doorbell)


@blueprint.queue_trigger("doorbell", QUEUE_NAMES[Mode.BATCH] + POISON, STORAGE_SETTING)
async def put_batch_email_aside(doorbell: func.QueueMessage) -> None:
    await _put_aside(doorbell)


@blueprint.queue_trigger("doorbell", QUEUE_NAMES[Mode.INTERACTIVE] + POISON, STORAGE_SETTING)
async def put_interactive_email_aside(doorbell: func.QueueMessage) -> None:
    await _put_aside(doorbell)


async def _answer(message: func.QueueMessage) -> None:
    await _given(message, Delivery.answer)


async def _put_aside(message: func.QueueMessage) -> None:
    """The host gave these up after `maxDequeueCount` failures; no email is lost with them."""
    await _given(message, Delivery.put_aside)


async def _given(message: func.QueueMessage, answer: Callable[[Delivery, Doorbell], Awaitable[None]]) -> None:
    """The host shows a message again whose function raised. What it writes of that is long: one line says it."""
    doorbell = _doorbell(message)
    if doorbell is None:
        return
    try:
        await answer((await subsystem()).delivery, doorbell)
    except WrongParameters as error:  # ringing again and again would only fail: the sweeper rings when it is mended
        logger.error("email %s waits: %s", doorbell.email_id, error)
    except StorageUnavailable as error:
        logger.error("doorbell for email %s rings again: %s: %s", doorbell.email_id, error, where(error))
        raise StorageUnavailable(error.operation) from None


def _doorbell(message: func.QueueMessage) -> Doorbell | None:
    try:
        return doorbell_from_text(message.get_body())
    except ValueError:
        logger.warning("queue message %s is no doorbell: dropped", message.id)
        return None
