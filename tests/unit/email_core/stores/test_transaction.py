"""Transactions as text, and what a service answers to them. The emulator judges the rest in the contract tests."""

import pytest

from email_core.stores.azure.transaction import Verdict, delete, insert, merge, transaction, verdict
from tests.support.emails import NOON

KEYS = {"PartitionKey": "79485-00", "RowKey": "u-1"}
PART = b"--changesetresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
MADE = b"HTTP/1.1 204 No Content\r\nETag: W/\"datetime'2026%3A1'\"\r\nDataServiceVersion: 3.0;\r\n\r\n"
ETAG = "W/\"datetime'2026%3A1'\""
DELETED = b"HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\n\r\n"
REFUSED = (
    b"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n"
    b'{"odata.error":{"code":"EntityAlreadyExists","message":{"lang":"en-US","value":"17:It exists."}}}'
)


def test_values_keep_their_types():
    entity = KEYS | {"at": NOON, "mime": b"\xff", "size": 7, "parked": False, "subject": "Grüße"}
    body = insert("emails", entity).body.decode()
    assert '"at@odata.type":"Edm.DateTime","at":"2026-03-02T12:00:00.000000Z"' in body
    assert '"mime@odata.type":"Edm.Binary","mime":"/w=="' in body
    assert '"size":7,"parked":false,"subject":"Grüße"' in body


def test_merge_and_delete_name_the_entity_and_its_version():
    for operation in (merge("emails", KEYS | {"size": 7}, 'W/"1"'), delete("emails", KEYS, 'W/"1"')):
        assert operation.path == "emails(PartitionKey='79485-00',RowKey='u-1')"
        assert operation.headers["If-Match"] == 'W/"1"'


def test_no_value_can_end_a_part_of_a_transaction():
    body = transaction("http://x/a", [insert("emails", KEYS | {"subject": "\r\n--changeset_of_emails--\r\n"})])
    assert body.count(b"\r\n--changeset_of_emails") == 2  # the beginning and the end of its one part


@pytest.mark.parametrize(
    ("answer", "etags"), [(PART + MADE + PART + DELETED + PART + MADE, (ETAG, None, ETAG)), (PART + DELETED, (None,))]
)
def test_each_operation_has_its_etag(answer, etags):
    assert verdict(answer) == Verdict(etags=etags)


def test_refusal_tells_who_is_to_blame():
    assert verdict(PART + REFUSED) == Verdict(refused=409, index=17)


def test_refusal_without_an_index_blames_the_first():
    assert verdict(PART + b"HTTP/1.1 412 Precondition Failed\r\n\r\n") == Verdict(refused=412, index=0)


@pytest.mark.parametrize("answer", [b"", b"<html>proxy</html>", b"HTTP/1.1 abc"])
def test_garbage_is_no_answer(answer):
    with pytest.raises(ValueError, match="no answer"):
        verdict(answer)
