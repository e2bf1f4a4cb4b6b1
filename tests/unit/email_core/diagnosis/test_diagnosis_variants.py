"""Replies that nobody has recorded: other languages, hosts, ids, forms and places of the codes; and look-alikes."""

import pytest

from email_core.diagnosis import diagnose

# category, retry, stage, code, reply
CODES_AND_WORDS = [  # one code stands for several things: the words decide
    ("recipient", "later", "data", 554, "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException"),
    ("sender_quota", "later", "data", 550, "550 5.2.2 Submission quota exceeded"),
    (
        "sender_quota",
        "later",
        "data",
        554,
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Falha",
    ),
    (
        "configuration",
        "no",
        "data",
        554,
        "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException; Fehler [Hostname=AM9]",
    ),
    ("unknown", "no", "data", 554, "554 5.2.0 STOREDRV.Submission.Exception:SomethingElseException; Failed"),
    ("credentials", "no", "auth", 535, "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect."),
    (
        "configuration",
        "no",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
    ),
    ("throttling", "soon", "data", 432, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"),
    ("transient", "soon", "data", 432, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded"),
    ("throttling", "soon", "data", 454, "454 Throttling failure: Maximum sending rate exceeded."),
    ("transient", "soon", "tls", 454, "454 4.7.0 TLS not available"),
    ("transient", "soon", "auth", 454, "454 4.7.0 nicht jetzt"),
    ("configuration", "soon", "rcpt", 454, "454 4.7.1 <bob@example.com>: Relay access denied"),
    ("configuration", "no", "rcpt", 550, "550 5.7.1 Unable to relay"),
    ("configuration", "no", "rcpt", 550, "550 5.7.1 SMTP; Client was not authenticated"),
    ("sender_quota", "later", "rcpt", 550, "550 5.7.1 Daily SMTP relay limit exceeded for contoso.com"),
    ("blocked", "no", "data", 550, "550 5.7.1 Message refused"),
    ("content", "no", "data", 554, "554 5.7.1 Message rejected as spam by Content Filtering."),
    ("blocked", "soon", "connect", 421, "421 4.7.1 Service unavailable; blocked using zen.spamhaus.org"),
    ("recipient", "no", "rcpt", 550, "550 5.7.1 <eve@example.com>: Recipient address rejected: User unknown"),
    ("configuration", "no", "data", 550, "550 5.7.30 Gmail requires all senders to authenticate with DKIM"),
    ("recipient", "no", "rcpt", 550, "550 5.2.1 <bob@example.com>... User Unknown"),
    (
        "transient",
        "soon",
        "rcpt",
        450,
        "450 4.1.1 <bob@example.com>: Recipient address rejected: User unknown in local table",
    ),
    ("transient", "soon", "rcpt", 450, "450 5.7.1 please wait"),
    ("configuration", "no", "ehlo", 421, "421 4.7.66 TLS 1.0 and 1.1 are not supported. Please support TLS 1.2."),
]
STAGES = [  # one code means something else in another place
    ("configuration", "no", "mail", 550, "550 5.1.1 address unknown"),
    ("recipient", "no", "rcpt", 550, "550 5.1.1 address unknown"),
    ("configuration", "no", "mail", 553, "553 5.1.3 bad"),
    ("recipient", "no", "rcpt", 553, "553 5.1.3 bad"),
    ("configuration", "no", "mail", 501, "501 syntax"),
    ("recipient", "no", "rcpt", 501, "501 syntax"),
    ("size", "no", "data", 552, "552 no"),
    ("recipient", "later", "rcpt", 552, "552 no"),
    ("blocked", "no", "connect", 554, "554 no"),
    ("unknown", "no", "data", 554, "554 no"),
    ("configuration", "no", "ehlo", 501, "501 no"),
    ("configuration", "no", "tls", 502, ""),
    ("transient", "soon", "tls", 454, ""),
    ("configuration", "no", "auth", 503, "503 bad sequence"),
    ("configuration", "no", "auth", 504, "504 5.5.4 nope"),
    ("configuration", "no", "auth", 538, "538 whatever"),
    ("configuration", "no", "auth", 500, "500 5.3.3 Unrecognized command"),
    ("credentials", "no", "auth", 534, "534 5.7.9 x"),
    ("credentials", "no", "mail", 530, "530 Anmeldung erforderlich"),
]
CODES_ALONE = [  # in a language that nobody here reads
    ("recipient", "no", "rcpt", 550, "550 5.1.1 <frida@beispiel.example>: Empfängeradresse zurückgewiesen"),
    ("recipient", "no", "rcpt", 550, "550 5.4.1 [bob@contoso.com]: Адрес получателя отклонен"),
    ("recipient", "no", "rcpt", 550, "550 5.1.6 Domänen mit nur einer Bezeichnung werden nicht akzeptiert"),
    ("recipient", "later", "data", 554, "554 5.2.2 Postfach voll"),
    ("throttling", "later", "rcpt", 550, "550 5.2.121 制限を超えました"),
    ("throttling", "later", "rcpt", 550, "550 5.2.122 x"),
    ("sender_quota", "later", "data", 550, "550 5.1.90 x"),
    ("sender_quota", "later", "data", 550, "550 5.7.232 x"),
    ("size", "no", "data", 552, "552 5.3.4 Nachricht zu groß"),
    ("size", "no", "data", 550, "550 5.2.3 x"),
    ("size", "soon", "rcpt", 452, "452 4.5.3 x"),
    ("size", "no", "rcpt", 550, "550 5.5.3 x"),
    ("configuration", "no", "auth", 535, "535 5.7.139 Authentifizierung fehlgeschlagen"),
    ("credentials", "no", "auth", 535, "535 5.7.3 Autenticación incorrecta [XX.prod.outlook.com]"),
    ("credentials", "no", "mail", 530, "530 5.7.57 Client nicht authentifiziert"),
    ("configuration", "no", "mail", 550, "550 5.7.30 l'authentification de base n'est pas prise en charge"),
    ("configuration", "no", "mail", 550, "550 5.7.60 SMTP; Client n'est pas autorisé à envoyer"),
    ("configuration", "no", "rcpt", 554, "554 5.7.1 Relais nicht gestattet"),
    ("blocked", "later", "data", 550, "550 5.1.8 Zugriff verweigert"),
    ("blocked", "later", "data", 550, "550 5.7.502 Accès refusé"),
    ("blocked", "later", "data", 550, "550 5.7.708 x"),
    ("blocked", "later", "data", 550, "550 5.7.750 x"),
    ("content", "no", "data", 554, "554 5.6.0 x"),
    ("content", "no", "mail", 553, "553 5.6.7 Adresse non ASCII"),
    ("transient", "soon", "rcpt", 451, "451 Nachricht wurde verzögert (greylisting)"),
    ("transient", "soon", "data", 421, "421 4.4.2 pippo.example Errore: tempo scaduto"),
    ("recipient", "no", "rcpt", 550, "550 Benutzer unbekannt"),
    ("recipient", "no", "rcpt", 550, "550 Utilisateur inconnu"),
    ("recipient", "no", "rcpt", 550, "550 Usuario desconocido"),
]
CLASS_ALONE = [
    ("transient", "soon", "data", 421, ""),
    ("transient", "soon", "rcpt", 450, ""),
    ("transient", "soon", "data", 451, ""),
    ("transient", "soon", "data", 452, ""),
    ("transient", "soon", "data", 451, "451 4.7.9 never heard of"),
    ("credentials", "no", None, 535, ""),
    ("unknown", "soon", "data", 459, "459 never heard of"),
    ("unknown", "no", "data", 550, ""),
    ("unknown", "no", "rcpt", 550, "550 xyzzy"),
    ("unknown", "no", None, 599, "599 flux capacitor discharged"),
    ("unknown", "no", "data", 550, "550 5.9.9 never heard of"),
    ("unknown", "no", "data", 550, "550 5.7.999 never heard of"),
    ("unknown", "soon", "data", None, "the gremlins ate it"),
    ("unknown", "soon", None, None, " \r\n"),
]
FORMS = [  # where the codes stand, and what stands around them
    ("recipient", "no", "rcpt", None, "550-5.1.1 user\r\n550-5.1.1 is not\r\n550 5.1.1 there"),
    ("recipient", "no", "rcpt", 550, "5.1.1 user 5.1.1 is not 5.1.1 there"),
    ("recipient", "no", "rcpt", 550, "[550] [5.1.1] NO MAILBOX"),
    ("recipient", "no", "rcpt", 550, "550 #5.1.1 x"),
    ("recipient", "no", "rcpt", 550, "550 <5.1.1> x"),
    ("recipient", "no", "rcpt", 550, "550 x (5.1.1)"),
    ("recipient", "no", "rcpt", 550, "550 x (#5.1.1)"),
    ("recipient", "no", "rcpt", None, "smtp; 550 5.1.1 x"),
    ("recipient", "no", "rcpt", None, "Server said: 550 5.1.1 unbekannt (in reply to RCPT TO)"),
    ("recipient", "no", "rcpt", None, "Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'"),
    ("recipient", "no", None, None, "SMTPRecipientsRefused: {'bob@x.example': (550, b'5.1.1 <bob@x.example>: no')}"),
    ("credentials", "no", "auth", None, "(535, b'5.7.8 Username and Password not accepted. x')"),
    ("configuration", "no", "data", None, "the server's answer was 554 5.2.0 ... MapiExceptionSendAsDenied ..."),
    ("sender_quota", "later", "data", None, "550 5.2.2 submission\r\n550 5.2.2 quota exceeded"),
    (
        "configuration",
        "no",
        "auth",
        None,
        "535-5.7.139 USER IS LOCKED BY YOUR ORGANIZATION\u2019S SECURITY DEFAULTS POLICY.",
    ),
    ("recipient", "no", "rcpt", 550, "550 <bob@relay.spamhaus-quota.example>: user unknown"),
    ("recipient", "no", "rcpt", 550, "550 mx.greylist-relay.example.net: no such user"),
    ("recipient", "no", "rcpt", 550, "550 This user doesn\u2019t exist"),
    ("recipient", "no", "rcpt", None, "after 450 tries: 550 5.1.1 no"),
    ("unknown", "no", "data", None, "559 never heard of"),
    ("credentials", "no", None, None, "Der Server sagt: 535 nein"),
    ("unknown", "no", "data", 554, "554 failed at spam-trap.example.com, see https://virus.example.org/malware"),
    ("unknown", "no", "data", 554, "554 failed for <spam@greylist.example>"),
]
LOOK_ALIKES = [  # digits that are no codes
    ("unknown", "no", "data", 550, "550 rejected, see queue id 5.1.1.23"),
    ("unknown", "no", "data", 554, "554 delivery error from 5.7.1.25 [4.2.2.1] id=5.1.1-77AB"),
    ("unknown", "no", "rcpt", 550, "550 [4.2.2.1] nope 2001:db8::5.2.2"),
    ("unknown", "soon", "data", 459, "459 from 5.7.60.9"),
    ("unknown", "no", "data", 554, "554 refused by Mailer version 5.1.1"),
    ("unknown", "no", "data", 554, "554 refused on 5.11.2026, ticket 4F5.1.1"),
    ("unknown", "no", "data", 554, "554 nothing before 4.2.2 and after"),
    ("recipient", "no", "rcpt", 550, "550 5.1.1 unknown (id 5.2.2.7)"),
    ("recipient", "no", "rcpt", 550, "550 4.2.2.1: 5.1.1"),
    ("credentials", "no", "auth", 535, "535 5.7.3 Authentication unsuccessful [10.5.7.139]"),
    ("credentials", "no", "auth", 535, "535 authentication failed (5.7.139.4)"),
    (
        "blocked",
        "no",
        "rcpt",
        554,
        "554 5.7.1 Service unavailable; Client host [5.7.60.139] blocked using bl.example.org",
    ),
    ("transient", "soon", "connect", None, "[Errno 110] Connect call failed ('52.97.5.550', 587)"),
    ("transient", "soon", "connect", None, "TimeoutError: nobody answers on port 550"),
    ("size", "no", "mail", None, "the server takes 450 octets (SIZE); the message has 554"),
]
SMTP = [*CODES_AND_WORDS, *STAGES, *CODES_ALONE, *CLASS_ALONE, *FORMS, *LOOK_ALIKES]

# category, retry, code, reply
GRAPH = [
    (
        "configuration",
        "no",
        403,
        '{"error":{"code":"ErrorAccessDenied","message":"Zugriff verweigert.","innerError":{"code":"x"}}}',
    ),
    ("configuration", "no", 500, '{"error":{"code":"ErrorAccessDenied"}}'),
    ("recipient", "no", 500, '{"error":{"code":"errorinvalidrecipients"}}'),
    (
        "recipient",
        "no",
        400,
        '{"error":{"code":"BadRequest","message":"x","innerError":{"code":"ErrorInvalidRecipients"}}}',
    ),
    (
        "sender_quota",
        "later",
        403,
        '{"error":{"innerError":{"code":"ErrorAccessDenied"},"code":"ErrorExceededMessageLimit"}}',
    ),
    ("sender_quota", "later", 403, "{'error': {'code': 'ErrorExceededHourlyMessageLimit'}}"),
    ("blocked", "later", 403, '{"error":{"code":"ErrorAccountSuspend"'),
    ("throttling", "soon", 503, '{"error":{"code":"TooManyRequests","message":"x","innerError":{"code":"429"}}}'),
    ("transient", "soon", 429, '{"error":{"code":"ErrorServerBusy","message":"x"}}'),
    ("transient", "soon", 400, '{"ERROR":{"CODE":"ERRORMAILBOXMOVEINPROGRESS"}}'),
    (
        "transient",
        "soon",
        400,
        '{"error":{"code":"UnknownError","innerError":{"code":"ErrorServerBusy","innerError":{"code":"x"}}}}',
    ),
    ("configuration", "no", 400, '{"error":{"code":"extensionError"}}'),
    ("size", "no", 400, '{"error":{"code":"BadRequest","message":"The maximum request length supported is 4MB."}}'),
    ("size", "no", 400, '{"error":{"code":"x","message":"The maximum request\\r\\nlength\\u0020supported is 4MB."}}'),
    ("size", "no", 413, "Request Entity Too Large"),
    ("throttling", "soon", 429, "Too Many Requests"),
    ("throttling", "soon", None, "HTTP 429"),
    (
        "throttling",
        "soon",
        None,
        "Client error '429 Too Many Requests' for url 'https://graph.microsoft.com/v1.0/users/x/sendMail'",
    ),
    ("throttling", "soon", None, "Application is over its IncomingBytes limit"),
    ("transient", "soon", 502, "<html><head><title>502 Bad Gateway</title></head>"),
    ("transient", "soon", None, "<html><head><title>503 Service Temporarily Unavailable</title></head>"),
    ("transient", "soon", 509, "Bandwidth Limit Exceeded"),
    ("transient", "soon", 504, ""),
    ("configuration", "no", 403, ""),
    ("configuration", "no", 404, "not JSON"),
    ("credentials", "no", 401, ""),
    ("unknown", "no", 400, '{"error":{"code":"WhatIsThis","message":"x"}}'),
    ("unknown", "no", 418, ""),
    ("unknown", "soon", 505, ""),
    ("unknown", "soon", None, ""),
    (
        "credentials",
        "no",
        401,
        "{'error': 'invalid_client', 'error_description': 'AADSTS7000222: The keys are expired.'}",
    ),
    ("credentials", "no", None, '{"error_codes":[7000215]}'),
    ("configuration", "no", 400, "aadsts53003"),
]

# category, retry, reply
EXCEPTIONS = [  # whatever the provider
    ("transient", "soon", "ConnectionRefusedError: [Errno 111] Connection refused"),
    (
        "transient",
        "soon",
        "[WinError 10061] No connection could be made because the target machine actively refused it",
    ),
    ("transient", "soon", "SMTPConnectTimeoutError: Timed out connecting to 10.1.2.3 on port 465"),
    ("transient", "soon", "httpx.ConnectTimeout"),
    ("transient", "soon", "TransportError: HTTPSConnectionPool(host='ex', port=443): Read timed out."),
    ("transient", "soon", "SMTPServerDisconnected: Server disconnected unexpectedly"),
    (
        "transient",
        "soon",
        "HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /t/oauth2 "
        "(Caused by NewConnectionError('<x>: Failed to establish a new connection: [Errno 111] Connection refused'))",
    ),
    ("configuration", "soon", "socket.gaierror: [Errno -5] No address associated with hostname"),
    (
        "configuration",
        "soon",
        "NameResolutionError(\"<x>: Failed to resolve 'nowhere.test' ([Errno -2] Name or service not known)\")",
    ),
    ("configuration", "no", "ssl.SSLCertVerificationError: (\"hostname 'a' doesn't match 'b'\",)"),
    (
        "configuration",
        "no",
        "SSLError(SSLCertVerificationError(1, 'certificate verify failed: self signed certificate'))",
    ),
    ("configuration", "no", "no TLS with the server: [SSL: NO_PROTOCOLS_AVAILABLE] no protocols available"),
    ("configuration", "no", "OSError: Tunnel connection failed: 407 Proxy Authentication Required"),
]


@pytest.mark.parametrize(("category", "retry", "stage", "code", "reply"), SMTP)
def test_smtp_reply_is_understood(category, retry, stage, code, reply):
    found = diagnose(provider="smtp", stage=stage, code=code, reply=reply)
    assert (found.category, found.retry) == (category, retry), found.id


@pytest.mark.parametrize(("category", "retry", "code", "reply"), GRAPH)
def test_graph_answer_is_understood(category, retry, code, reply):
    found = diagnose(provider="graph", stage="request", code=code, reply=reply)
    assert (found.category, found.retry) == (category, retry), found.id


@pytest.mark.parametrize(("category", "retry", "reply"), EXCEPTIONS)
@pytest.mark.parametrize("provider", ["smtp", "graph", "exchange"])
def test_exception_is_understood(provider, category, retry, reply):
    found = diagnose(provider=provider, stage="connect", code=None, reply=reply)
    assert (found.category, found.retry) == (category, retry), found.id


@pytest.mark.parametrize(("provider", "stage"), [("SMTP", "RCPT "), ("mailgun", "rcpt"), ("", "rcpt")])
def test_the_provider_and_stage_may_be_written_otherwise_or_be_unknown(provider, stage):
    assert diagnose(provider=provider, stage=stage, code=551, reply="551 no").id == "smtp-recipient-moved"


def test_a_match_with_a_stage_is_more_specific_than_one_without():
    assert diagnose(provider="smtp", stage="tls", code=538, reply="538").id == "smtp-starttls-not-offered"
    assert diagnose(provider="smtp", stage="auth", code=538, reply="538").id == "smtp-auth-not-offered"
