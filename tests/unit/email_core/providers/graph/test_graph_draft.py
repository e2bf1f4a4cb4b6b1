"""The Graph provider against the stand-in: drafts, upload sessions, and what became of them."""

import json
import logging
from dataclasses import replace

import pytest

from email_core.content import InlineContent
from email_core.errors import LostRace, StorageUnavailable
from email_core.message import Address, Attachment, Message
from email_core.mime import build_mime
from email_core.provider_pause import is_refusal
from email_core.providers.base import OutcomeKind, Proof
from email_core.providers.graph import upload
from email_core.providers.graph.client import Trace
from email_core.providers.graph.draft import UNFINISHED, Draft, handle_of
from email_core.providers.graph.upload import RANGE
from tests.fakes.graph import AFTER, BEFORE, HANG, READ, SEND, fault, refused_token, throttled
from tests.fakes.https import Response
from tests.support.emails import NOON
from tests.support.graph import MIME, SUBMISSION, graph_provider, graph_server

KINDS = OutcomeKind
LARGE = bytes(range(256)) * 40_000  # 10 MB: three ranges
SMALL = b"small" * 100_000
NOT_FOUND = fault(404, "ErrorItemNotFound", "The specified object was not found in the store.")
BUSY = fault(503, "ErrorServerBusy", "busy")
ALWAYS = {"graph_drafts": "always"}


def submission_with(*files, **changes):
    attachments = tuple(Attachment(name, "application/x", octets) for name, octets in files)
    message = Message(
        sender=Address("ann@contoso.com"),
        to=(Address("bob@example.com"),),
        subject="Large",
        text="See the files.",
        attachments=attachments,
        headers={"List-Unsubscribe": "<mailto:a@b>"},
    )
    finished = build_mime(message, "1", NOON)
    return replace(SUBMISSION, message_id=finished.message_id, content=InlineContent(finished.mime), **changes)


LARGE_MAIL = submission_with(("large.bin", LARGE), ("small.bin", SMALL))
STEPS = ["draft", "session", "range", "range", "range", "attach", "send"]


class Keeper:
    """Keeps a handle, and remembers at which step it was asked to."""

    def __init__(self, server) -> None:
        self.server, self.kept, self.error = server, [], None

    async def __call__(self, handle: str) -> None:
        if self.error:
            raise self.error
        self.kept.append((handle, self.server.steps[-1]))


async def submit(server, submission=LARGE_MAIL, keeper=None, **parameters):
    async with graph_provider(server, **parameters) as provider:
        return await provider.submit(replace(submission, keep_handle=keeper or Keeper(server)))


def graph_steps(server):
    return [step for step in server.steps if step not in ("discovery", "token")]


async def test_large_mail_goes_as_a_draft_whose_files_arrive_whole():
    async with graph_server() as server:
        outcome = await submit(server)
    (sent,) = server.sent
    assert (outcome.kind, outcome.code, graph_steps(server)) == (KINDS.DELIVERED, 202, STEPS)
    assert sent.files == {"large.bin": LARGE, "small.bin": SMALL}
    assert sent.parsed.get_body().get_content().strip() == "See the files."
    assert (sent.message_id, sent.parsed["List-Unsubscribe"]) == (LARGE_MAIL.message_id, "<mailto:a@b>")
    assert sent.recipients == {"bob@example.com", "eve@example.com"}


async def test_all_calls_to_graph_are_traced():
    async with graph_server() as server:
        outcome = await submit(server)
    assert [call.split()[0] for call in outcome.trace.split("; ")] == ["draft", "session", "attach", "send"]


async def test_ranges_are_under_4_mb_in_order_and_without_a_token():
    async with graph_server() as server:
        await submit(server)
    ranges = [one for one in server.requests if one.method == "PUT"]
    assert [one.headers["content-range"] for one in ranges] == [
        f"bytes 0-{RANGE - 1}/{len(LARGE)}",
        f"bytes {RANGE}-{2 * RANGE - 1}/{len(LARGE)}",
        f"bytes {2 * RANGE}-{len(LARGE) - 1}/{len(LARGE)}",
    ]
    assert all("authorization" not in one.headers and len(one.body) < 4_000_000 for one in ranges)


async def test_immutable_id_is_kept_right_before_it_is_sent():
    async with graph_server() as server:
        keeper = Keeper(server)
        await submit(server, keeper=keeper)
    draft = next(iter(server.drafts))
    ready = handle_of(draft, LARGE_MAIL.recipients)
    assert keeper.kept == [(f"{UNFINISHED}{draft}", "draft"), (ready, "attach")]
    assert "Changing" not in draft


@pytest.mark.parametrize("error", [LostRace("1"), StorageUnavailable("test")])
async def test_draft_whose_id_cannot_be_kept_is_not_sent(error):
    async with graph_server() as server:
        keeper = Keeper(server)
        keeper.error = error
        outcome = await submit(server, keeper=keeper)
    assert (outcome.kind, server.sent, server.drafts) == (KINDS.TRANSIENT, [], {})


async def test_small_mail_goes_as_a_draft_where_proof_is_wanted():
    async with graph_server() as server:
        outcome = await submit(server, SUBMISSION, **ALWAYS)
    assert (outcome.kind, graph_steps(server)) == (KINDS.DELIVERED, ["draft", "send"])


# ---- what may go wrong on the way

UPLOADS = [  # faults by step, the steps that follow
    ({"range": [BEFORE]}, ["draft", "session", "range", "status", "range", "range", "range", "attach", "send"]),
    ({"range": [AFTER]}, ["draft", "session", "range", "status", "range", "range", "attach", "send"]),
    ({"range": [BUSY]}, ["draft", "session", "range", "status", "range", "range", "range", "attach", "send"]),
    ({"range": [NOT_FOUND]}, ["draft", "session", "range", "session", "range", "range", "range", "attach", "send"]),
    (
        {"range": [NOT_FOUND] * 2},
        ["draft", *["session", "range"] * 3, "range", "range", "attach", "send"],
    ),
]


@pytest.mark.parametrize(("faults", "steps"), UPLOADS)
async def test_upload_goes_on_where_it_broke_off(faults, steps):
    async with graph_server() as server:
        server.faults.update({step: list(answers) for step, answers in faults.items()})
        outcome = await submit(server)
    assert (outcome.kind, graph_steps(server)) == (KINDS.DELIVERED, steps)
    assert server.sent[0].files["large.bin"] == LARGE


async def test_session_that_is_lost_in_the_middle_begins_anew_with_its_file():
    async with graph_server() as server:
        original = server._range

        def once(request):
            if request.headers["content-range"].startswith(f"bytes {RANGE}-") and server.calls("session") == 1:
                server.sessions.clear()
            return original(request)

        server._range = once
        outcome = await submit(server)
    assert (outcome.kind, server.calls("session"), server.calls("draft")) == (KINDS.DELIVERED, 2, 1)
    assert server.sent[0].files == {"large.bin": LARGE, "small.bin": SMALL}


@pytest.mark.parametrize("step", ["session", "range", "attach"])
async def test_draft_that_cannot_be_filled_is_deleted_and_the_email_tried_again(step):
    async with graph_server() as server:
        server.faults[step] = [BUSY] * upload.TRIES
        outcome = await submit(server)
    assert (outcome.kind, server.sent, server.drafts) == (KINDS.TRANSIENT, [], {})


@pytest.mark.parametrize(
    "answer", [throttled("IncomingBytes", "300"), fault(503, "ErrorServerBusy", "busy", retry_after="300")]
)
async def test_upload_asked_to_wait_is_deferred_and_not_repeated(answer):
    async with graph_server() as server:
        server.faults["range"] = [answer]
        outcome = await submit(server)
    assert (outcome.kind, outcome.retry_after.total_seconds()) == (KINDS.TRANSIENT, 300)
    assert graph_steps(server) == ["draft", "session", "range", "delete"]


async def test_draft_is_deleted_where_the_time_is_over():
    async with graph_server() as server, graph_provider(server) as provider:
        server.faults["attach"] = [HANG]
        outcome = await provider.submit(replace(LARGE_MAIL, keep_handle=Keeper(server), seconds=1.0))
        await provider.aclose()
        assert (outcome.kind, server.calls("delete"), server.drafts) == (KINDS.TRANSIENT, 1, {})


async def test_last_range_that_is_not_all_there_is_not_taken_for_the_file():
    async with graph_server() as server:
        whole = server._range

        def but_not_the_last(request):
            if server.calls("range") != 3:
                return whole(request)
            return Response(200, json.dumps({"nextExpectedRanges": [f"{2 * RANGE}-"]}).encode())

        server._range = but_not_the_last
        outcome = await submit(server)
    assert (outcome.kind, server.sent[0].files["large.bin"]) == (KINDS.DELIVERED, LARGE)


async def test_file_that_may_be_attached_already_is_never_attached_twice():
    async with graph_server() as server:
        server.faults["range"] = [None, None, AFTER]
        server._status = lambda request: NOT_FOUND  # the session has ended
        outcome = await submit(server)
    assert (outcome.kind, server.sent, server.drafts) == (KINDS.TRANSIENT, [], {})


ODD_RANGES = [["0-"], ["99999999999-"], ["-5"], ["9" * 5000 + "-"], [""], [None], "0-", {"a": 1}, [f"{RANGE + 1}-"]]


@pytest.mark.parametrize("ranges", ODD_RANGES, ids=lambda ranges: str(ranges)[:20])
async def test_session_that_says_odd_things_begins_anew(ranges):
    async with graph_server() as server:
        server.faults |= {
            "range": [AFTER],
            "status": [Response(200, json.dumps({"nextExpectedRanges": ranges}).encode())],
        }
        outcome = await submit(server)
    (sent,) = server.sent
    attached = [one["name"] for draft in server.drafts.values() for one in draft.attached]
    assert (outcome.kind, sent.files["large.bin"], attached) == (KINDS.DELIVERED, LARGE, ["large.bin", "small.bin"])


@pytest.mark.parametrize("url", [None, "http://localhost/", "https://", "https://[::1", "https://a\0b/"])
async def test_address_that_is_none_is_not_uploaded_to(url):
    async with graph_server() as server:
        server.faults["session"] = [Response(201, json.dumps({"uploadUrl": url}).encode())]
        outcome = await submit(server)
    assert (outcome.kind, server.drafts) == (KINDS.TRANSIENT, {})


@pytest.mark.parametrize("status", [401, 403])
async def test_refusal_of_an_upload_begins_its_session_anew_and_pauses_nobody(status):
    async with graph_server() as server:
        server.faults["range"] = [Response(status)]
        assert (await submit(server)).kind is KINDS.DELIVERED
        server.faults["range"] = [Response(status)] * upload.TRIES
        outcome = await submit(server)
    assert not is_refusal(outcome)
    assert outcome.kind is not KINDS.PERMANENT


async def test_draft_that_cannot_be_deleted_does_no_harm():
    async with graph_server() as server:
        server.faults |= {"attach": [BUSY], "delete": [AFTER]}
        assert (await submit(server)).kind is KINDS.TRANSIENT


async def test_address_of_an_upload_session_is_told_to_nobody(caplog):
    caplog.set_level(logging.INFO)
    async with graph_server() as server:
        server.faults["range"] = [BUSY] * upload.TRIES
        outcome = await submit(server)
    assert "upload/" not in f"{outcome.reply} {outcome.trace} {caplog.text}"


# ---- permissions and sizes


async def test_mail_too_large_for_one_request_names_the_permission_that_drafts_need():
    async with graph_server(permissions={SEND}) as server:
        outcome = await submit(server)
    assert outcome.kind is KINDS.PERMANENT
    assert "Mail.ReadWrite" in outcome.reply
    assert "octets" in outcome.reply
    assert server.sent == []


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("send", fault(403, "ErrorExceededMessageLimit", "The limit is exceeded.")),
        ("send", fault(403, "ErrorAccessDenied", "Access is denied.")),
        ("draft", Response(403, b"<html>a proxy</html>")),
        ("draft", fault(403, "ErrorAccessDenied", "Blocked by tenant configured AppOnly AccessPolicy settings.")),
    ],
)
async def test_other_refusals_of_large_mail_wait_for_the_administrator(step, answer):
    async with graph_server() as server:
        server.faults[step] = [answer]
        outcome = await submit(server)
    assert outcome.kind in (KINDS.CONFIGURATION, KINDS.TRANSIENT)


async def test_small_mail_that_must_be_a_draft_waits_for_the_permission():
    async with graph_server(permissions={SEND, READ}) as server:
        outcome = await submit(server, SUBMISSION, **ALWAYS)
    assert outcome.kind is KINDS.CONFIGURATION


async def test_message_whose_text_alone_is_too_large_is_refused():
    large = replace(SUBMISSION, content=InlineContent(b"From: ann@contoso.com\r\n\r\n" + b"x" * 3_000_000))
    async with graph_server() as server:
        outcome = await submit(server, large)
    assert (outcome.kind, graph_steps(server)) == (KINDS.PERMANENT, [])


# ---- a lost answer


async def sent_with_a_lost_answer(provider, server, fault):
    keeper = Keeper(server)
    server.faults["send"] = [fault]
    outcome = await provider.submit(replace(LARGE_MAIL, keep_handle=keeper))
    assert outcome.kind is KINDS.UNCONFIRMED
    return replace(LARGE_MAIL, handle=keeper.kept[-1][0])


async def test_draft_that_is_one_no_more_proves_that_it_was_sent():
    async with graph_server() as server, graph_provider(server) as provider:
        envelope = await sent_with_a_lost_answer(provider, server, AFTER)
        assert await provider.was_sent(envelope) is Proof.SENT


async def test_what_is_still_a_draft_is_sent_as_it_is():
    async with graph_server() as server, graph_provider(server) as provider:
        envelope = await sent_with_a_lost_answer(provider, server, BEFORE)
        assert await provider.was_sent(envelope) is Proof.NOT_SENT
        assert (await provider.submit(envelope)).kind is KINDS.DELIVERED
    assert (len(server.sent), server.calls("draft"), server.calls("session")) == (1, 1, 1)


async def test_draft_for_others_than_the_email_goes_to_now_is_made_anew():
    """As where all mail is redirected since the last attempt, or is no longer."""
    async with graph_server() as server, graph_provider(server) as provider:
        envelope = await sent_with_a_lost_answer(provider, server, BEFORE)
        redirected = submission_with(("other.bin", LARGE), recipients=("test@contoso.com",), bcc=())
        assert await provider.was_sent(envelope) is Proof.NOT_SENT
        assert (await provider.submit(replace(redirected, handle=envelope.handle))).kind is KINDS.DELIVERED
    assert [list(one.files) for one in server.sent] == [["other.bin"]]
    assert server.calls("delete") == 1


async def test_draft_that_is_nowhere_may_be_on_its_way():
    async with graph_server() as server, graph_provider(server) as provider:
        envelope = await sent_with_a_lost_answer(provider, server, AFTER)
        server.drafts.clear()
        assert await provider.was_sent(envelope) is Proof.LATER


async def test_draft_that_is_gone_may_have_been_sent():
    async with graph_server() as server:
        outcome = await submit(server, replace(LARGE_MAIL, handle=handle_of("gone", LARGE_MAIL.recipients)))
    assert (outcome.kind, graph_steps(server)) == (KINDS.UNCONFIRMED, ["send"])


async def test_mailbox_that_is_gone_leaves_no_doubt():
    async with graph_server(mailboxes=set()) as server:
        outcome = await submit(server, replace(LARGE_MAIL, handle=handle_of("draft", LARGE_MAIL.recipients)))
    assert outcome.kind is KINDS.CONFIGURATION


@pytest.mark.parametrize("parameters", [{}, ALWAYS])
async def test_proof_waits_for_what_an_administrator_mends(parameters):
    async with graph_server() as server, graph_provider(server, **parameters) as provider:
        server.faults["token"] = [refused_token("7000222", "The client secret keys are expired.")]
        assert await provider.was_sent(SUBMISSION) is Proof.LATER


async def test_draft_whose_sending_was_put_off_is_not_made_again():
    async with graph_server() as server, graph_provider(server) as provider:
        keeper = Keeper(server)
        server.faults["send"] = [throttled("RequestRate", "5")]
        assert (await provider.submit(replace(LARGE_MAIL, keep_handle=keeper))).kind is KINDS.TRANSIENT
        provider._slots._clock.advance(seconds=5)
        handle = keeper.kept[-1][0]
        assert (await provider.submit(replace(LARGE_MAIL, handle=handle))).kind is KINDS.DELIVERED
    assert (server.calls("draft"), server.calls("send")) == (1, 2)


async def test_draft_that_is_refused_for_good_is_deleted():
    async with graph_server() as server:
        server.faults["send"] = [fault(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")]
        outcome = await submit(server)
    assert (outcome.kind, server.drafts) == (KINDS.PERMANENT, {})


@pytest.mark.parametrize("named", ["..", ".", "a/../../me", "a?b", "", 7])
async def test_id_that_leads_elsewhere_is_that_of_no_draft(named):
    answer = Response(201, json.dumps({"id": named}).encode(), {"content-type": "application/json"})
    async with graph_server() as server:
        server.faults["draft"] = [answer]
        outcome = await submit(server)
    assert (outcome.kind, graph_steps(server)) == (KINDS.TRANSIENT, ["draft"])


# ---- what nobody sends any more


async def left_unfinished(provider):
    """As by a worker that dies while files are on their way."""
    keeper = Keeper(None)
    draft = await Draft(provider._client, "ann@contoso.com", SUBMISSION, Trace(), pause=keeper)._make(MIME)
    return replace(LARGE_MAIL, handle=f"{UNFINISHED}{draft}")


async def test_draft_of_a_worker_that_died_while_uploading_was_not_sent_and_is_made_anew():
    async with graph_server() as server, graph_provider(server) as provider:
        envelope = await left_unfinished(provider)
        assert await provider.was_sent(envelope) is Proof.NOT_SENT
        assert (await provider.submit(envelope)).kind is KINDS.DELIVERED
    assert (len(server.sent), len(server.drafts)) == (1, 1)
    assert graph_steps(server) == ["draft", "delete", *STEPS]


@pytest.mark.parametrize("in_doubt", [False, True])
async def test_unfinished_draft_of_an_email_that_has_ended_is_deleted(in_doubt):
    async with graph_server() as server, graph_provider(server) as provider:
        await provider.discard(await left_unfinished(provider), in_doubt=in_doubt)
    assert server.drafts == {}


@pytest.mark.parametrize(("fault", "in_doubt", "drafts"), [(BEFORE, False, 0), (BEFORE, True, 1), (AFTER, False, 1)])
async def test_draft_of_an_email_that_has_ended_is_deleted_where_nobody_can_have_sent_it(fault, in_doubt, drafts):
    async with graph_server() as server, graph_provider(server) as provider:
        envelope = await sent_with_a_lost_answer(provider, server, fault)
        await provider.discard(envelope, in_doubt=in_doubt)
    assert len(server.drafts) == drafts
