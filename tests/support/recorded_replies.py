"""Replies as servers, services and libraries give them, with the diagnosis that each is for."""

import json


def graph(code, message):
    inner = {"date": "2026-11-22T02:03:21", "request-id": "0c1e-4f", "client-request-id": "77"}
    error = {"code": code, "message": message, "innerError": inner}
    return json.dumps({"error": error})


def entra(number, words, error="invalid_client"):
    description = f"AADSTS{number}: {words} Trace ID: 8a1f4d2e-5500 Correlation ID: 7c Timestamp: 2026-11-22 02:03:21Z"
    return json.dumps({"error": error, "error_description": description, "error_codes": [number], "timestamp": "x"})


def soap(code, words):
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope><s:Body><m:CreateItemResponse><m:ResponseMessages>'
        f'<m:CreateItemResponseMessage ResponseClass="Error"><m:MessageText>{words}</m:MessageText>'
        f"<m:ResponseCode>{code}</m:ResponseCode></m:CreateItemResponseMessage></m:ResponseMessages>"
    )


# id, stage, code, reply
OWN = [
    ("delivery-on-hold", None, None, "delivery_mode is hold: nothing is sent"),
    ("distributor-off", None, None, "the distributor is switched off"),
    ("distributor-over", None, None, "the distributor's last run is over"),
    ("distributor-next-run", None, None, "the distributor sends with its next run"),
    ("provider-not-configured", None, None, "the provider smtp is not configured any more"),
    ("content-gone", None, None, "the content is gone from the storage"),
    ("storage-not-readable", None, None, "the content could not be read from the storage"),
    ("storage-not-readable", None, None, "the storage did not answer before the email was handed over"),
    ("taken-over", "request", None, "another worker has it now"),
    (
        "answer-lost",
        None,
        None,
        "the provider cannot tell yet whether the last attempt sent it: it is asked again",
    ),
    ("answer-lost", "data", None, "the answer to the content was lost: SMTPServerDisconnected: Connection lost"),
    ("answer-lost", None, None, "the provider did not finish within the lease"),
    ("answer-lost", "data", None, "the answer to the content was lost: no answer within 60 seconds"),
    ("answer-lost", None, None, "nobody knows whether the last attempt sent it: resend it, or mark it as sent"),
    ("answer-lost", None, None, "the worker that had claimed it ended without recording an outcome"),
    ("put-aside", None, None, "answering its doorbell failed again and again: the log of that time has the cause"),
    ("internal-error", None, None, "internal error: ValueError"),
    (
        "test-email-without-sender",
        "sender",
        None,
        "default_sender is not set, and smtp signs in with no address that could stand in for it",
    ),
    ("smtp-connections-busy", "connect", None, "all connections to the server are busy"),
    ("smtp-public-without-proof", "tls", None, "the server has a public address, and its certificate is not checked"),
]
VAULT = [
    ("vault-secret-missing", "auth", None, "the SMTP password cannot be read: enter it again"),
    (
        "vault-secret-missing",
        "auth",
        None,
        "The secret smtp-password is missing. Enter it: PUT /api/secrets/smtp-password.",
    ),
    (
        "vault-secret-missing",
        "auth",
        404,
        '{"error":{"code":"SecretNotFound","message":"A secret with (name/id) smtp-password was not found in this key '
        "vault. If you recently deleted this secret you may be able to recover it using the correct recovery "
        'command."}}',
    ),
    ("vault-secret-disabled", "auth", None, "The secret smtp-password is disabled. Enable its current version in v."),
    (
        "vault-secret-disabled",
        "auth",
        403,
        '{"error":{"code":"Forbidden","message":"Operation get is not allowed on a disabled secret.","innererror":'
        '{"code":"SecretDisabled"}}}',
    ),
    ("vault-secret-deleted", "auth", None, "The secret smtp-password is deleted. Enter it again, or recover it in v."),
    (
        "vault-secret-deleted",
        None,
        409,
        '{"error":{"code":"Conflict","message":"Secret smtp-password is currently in a deleted but recoverable state, '
        'and its name cannot be reused","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}',
    ),
    ("vault-secret-expired", "auth", None, "The secret graph-client-secret is expired. Enter it again."),
    ("vault-forbidden", "auth", None, "The secret smtp-password is forbidden. Grant the app's identity the role"),
    (
        "vault-forbidden",
        "auth",
        403,
        '{"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.\\r\\nAction: '
        "'Microsoft.KeyVault/vaults/secrets/getSecret/action'\\r\\nVault: kv;location=westeurope\","
        '"innererror":{"code":"ForbiddenByRbac"}}}',
    ),
    (
        "vault-forbidden",
        "auth",
        403,
        "(Forbidden) The user, group or application 'appid=1;oid=2' does not have secrets get permission on key vault "
        "'kv'",
    ),
    (
        "vault-unreachable",
        "auth",
        None,
        "The secret smtp-password is unreachable. https://kv.vault.azure.net did not answer",
    ),
    (
        "vault-unreachable",
        None,
        None,
        "ServiceRequestError: Cannot connect to host kv.vault.azure.net:443 ssl:default [Name or service not known]",
    ),
]
ENTRA = [
    (
        "entra-secret-wrong",
        "auth",
        401,
        entra(
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            "not the client secret ID, for a secret added to app '11112222-bbbb'.",
        ),
    ),
    (
        "entra-secret-expired",
        "request",
        401,
        entra(7000222, "The provided client secret keys for app '1' are expired."),
    ),
    (
        "entra-application-unknown",
        "request",
        400,
        entra(
            700016, "Application with identifier '1' was not found in the directory 'Contoso'.", "unauthorized_client"
        ),
    ),
    (
        "entra-tenant-unknown",
        "auth",
        400,
        entra(90002, "Tenant 'contos.com' not found. Check to make sure.", "invalid_request"),
    ),
    (
        "entra-tenant-unknown",
        "auth",
        None,
        "ValueError: Unable to get authority configuration for https://login.microsoftonline.com/nowhere. Authority "
        "would typically be in a format of https://login.microsoftonline.com/your_tenant",
    ),
    (
        "entra-consent-missing",
        "request",
        400,
        entra(
            65001, "The user or administrator has not consented to use the application with ID '1'.", "invalid_grant"
        ),
    ),
    (
        "entra-certificate-refused",
        "auth",
        401,
        entra(
            700027,
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        ),
    ),
    (
        "entra-certificate-not-usable",
        "auth",
        None,
        "no token to sign in with: ValueError: the secret smtp-client-certificate needs a private key and a "
        "certificate in PEM",
    ),
    (
        "entra-certificate-not-usable",
        "credential",
        None,
        "no token to sign in with: TypeError: Password was not given but private key is encrypted",
    ),
    (
        "entra-certificate-not-usable",
        "credential",
        None,
        "no token to sign in with: InvalidKeyError: Could not parse the provided public key.",
    ),
    (
        "entra-federation-refused",
        "auth",
        401,
        entra(700213, "No matching federated identity record found for presented assertion subject 'x'."),
    ),
    (
        "managed-identity-missing",
        "auth",
        None,
        "CredentialUnavailableError: ManagedIdentityCredential authentication unavailable, no response from the IMDS "
        "endpoint.",
    ),
    ("managed-identity-missing", None, 400, '{"error":"invalid_request","error_description":"Identity not found"}'),
    (
        "entra-conditional-access",
        "auth",
        400,
        entra(
            53003,
            "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
            "interaction_required",
        ),
    ),
    (
        "entra-scope-wrong",
        "auth",
        400,
        entra(70011, "The provided request must include a 'scope' parameter.", "invalid_scope"),
    ),
    (
        "entra-scope-wrong",
        "request",
        400,
        entra(500011, "The resource principal named https://x was not found in the tenant.", "invalid_resource"),
    ),
    (
        "entra-account-refused",
        "auth",
        400,
        entra(50126, "Error validating credentials due to invalid username.", "invalid_grant"),
    ),
    (
        "entra-redirected",
        "credential",
        None,
        "no token to sign in with: the token endpoint sends elsewhere: it names another address, to which nothing was "
        "sent",
    ),
    ("entra-busy", "auth", None, "no token to sign in with: the token endpoint cannot be reached: ConnectTimeout"),
    (
        "tls-certificate-untrusted",
        "credential",
        None,
        "no token to sign in with: no TLS with the token endpoint: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
        "failed: self-signed certificate in certificate chain (_ssl.c:1016)",
    ),
    (
        "entra-busy",
        "request",
        503,
        entra(90033, "A transient error has occurred. Please try again.", "temporarily_unavailable"),
    ),
    ("entra-client-refused", "auth", 401, '{"error": "invalid_client", "error_description": "no more than this"}'),
    ("entra-client-refused", "auth", 400, "AADSTS7654321: Something that Entra has thought of since."),
]
SMTP_SIGN_IN = [
    (
        "smtp-auth-disabled-for-tenant",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
        "https://aka.ms/smtp_auth_disabled for more information. [AB1PR02CA0008.XYZPRD02.PROD.OUTLOOK.COM]",
    ),
    (
        "smtp-auth-disabled-for-mailbox",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit "
        "https://aka.ms/smtp_auth_disabled for more information. [AB1P123CA0009.XYZP123.PROD.OUTLOOK.COM]",
    ),
    (
        "smtp-basic-auth-off",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. "
        "[AB1P123CA0004.XYZP123.PROD.OUTLOOK.COM]",
    ),
    ("smtp-basic-auth-off", "mail", 550, "550 5.7.30 Basic authentication is not supported for Client Submission."),
    (
        "smtp-sign-in-criteria-not-met",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated "
        "successfully. Contact your administrator. [AB1P123CA0005.XYZP123.PROD.OUTLOOK.COM]",
    ),
    (
        "smtp-security-defaults",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. "
        "Contact your administrator. [AB1PR02CA0006.xyzprd02.prod.outlook.com]",
    ),
    (
        "smtp-account-locked",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, the account is locked. Contact your admin.",
    ),
    (
        "smtp-account-locked",
        "auth",
        534,
        "534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1> Please log in via\n534-5.7.14 your web "
        "browser and then try again.\n534-5.7.14  Learn more at\n534 5.7.14  "
        "https://support.google.com/mail/answer/78754 z5 - gsmtp",
    ),
    (
        "smtp-app-password-required",
        "auth",
        534,
        "534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  "
        "https://support.google.com/mail/?p=InvalidSecondFactor a640c23a62f3a-a1b - gsmtp",
    ),
    ("smtp-too-many-sign-ins", "auth", 454, "454 4.7.0 Too many login attempts, please try again later. k13 - gsmtp"),
    ("smtp-too-many-sign-ins", "auth", 535, "535 5.7.0 (#AUTH005) Too many bad auth attempts."),
    (
        "smtp-sign-in-deferred",
        "auth",
        454,
        "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
    ),
    ("smtp-encryption-required", "mail", 530, "530 5.7.0 Must issue a STARTTLS command first"),
    ("smtp-encryption-required", "mail", 451, "451 5.7.3 STARTTLS is required to send mail [AM6EUR05FT017.eop-eur05]"),
    ("smtp-encryption-required", "auth", 538, "538 5.7.11 Encryption required for requested authentication mechanism"),
    (
        "smtp-encryption-required",
        "auth",
        None,
        "the server offers no sign-in on a connection without encryption, and requires STARTTLS first",
    ),
    ("smtp-auth-not-offered", "auth", None, "the server does not support authentication, but a user name is set"),
    ("smtp-auth-not-offered", "auth", None, "SMTPException: The SMTP AUTH extension is not supported by this server."),
    ("smtp-auth-not-offered", "auth", 503, "503 5.5.1 Error: authentication not enabled"),
    ("smtp-auth-not-offered", "auth", 503, "503 AUTH command used when not advertised"),
    ("smtp-auth-not-offered", "auth", 504, "504 5.7.4 Unrecognized authentication type [AM0PR02CA0013.eurprd02]"),
    ("smtp-auth-not-offered", "auth", 538, "538"),
    ("smtp-auth-not-offered", "auth", None, "the server offers to sign in by LOGIN, PLAIN, and not by XOAUTH2"),
    (
        "smtp-not-signed-in",
        "mail",
        530,
        "530-5.7.0 Authentication Required. For more information, go to\n530 5.7.0 https://x - gsmtp",
    ),
    (
        "smtp-not-signed-in",
        "mail",
        530,
        "530 5.7.57 Client not authenticated to send mail. [AM6PR0202CA0050.eurprd02.prod.outlook.com]",
    ),
    ("smtp-not-signed-in", "rcpt", 553, "553 5.7.1 <ann@contoso.com>: Sender address rejected: not logged in"),
    (
        "smtp-credentials-refused",
        "auth",
        535,
        "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  "
        "https://support.google.com/mail/?p=BadCredentials 5b1f17b1804b1-42f - gsmtp",
    ),
    (
        "smtp-credentials-refused",
        "auth",
        535,
        "535 5.7.3 Authentication unsuccessful [AS4P190CA0029.EURP190.PROD.OUTLOOK.COM]",
    ),
    ("smtp-credentials-refused", "auth", 535, "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6"),
    ("smtp-credentials-refused", "auth", 535, "535 Incorrect authentication data"),
    (
        "smtp-credentials-refused",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [AB1PR02CA0007.xyzprd02]",
    ),
    (
        "smtp-sign-in-refused-by-exchange",
        "auth",
        535,
        "535 5.7.139 Authentication unsuccessful. [AM6PR02CA0001.eurprd02]",
    ),
]
SMTP_SENDER = [
    (
        "smtp-send-as-denied",
        "data",
        554,
        "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process "
        "message due to a permanent exception with message Cannot submit message. 0.35250:DF000000, 1.36674:0A000000",
    ),
    (
        "smtp-send-as-denied",
        "data",
        554,
        "554 5.2.252 SendAsDenied; ann@contoso.com not allowed to send as bob@contoso.com; "
        "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
    ),
    ("smtp-send-as-denied", "mail", 550, "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
    (
        "smtp-domain-not-authenticated",
        "data",
        550,
        "550-5.7.26 Unauthenticated email from contoso.com is not accepted due to\n550-5.7.26 domain's DMARC policy. "
        "Please contact the administrator of\n550 5.7.26 contoso.com domain if this was a legitimate mail. "
        "41be03b00d2f7 - gsmtp",
    ),
    (
        "smtp-domain-not-authenticated",
        "rcpt",
        550,
        "550 5.7.23 The message was rejected because of Sender Policy Framework violation",
    ),
    (
        "smtp-domain-not-authenticated",
        "data",
        550,
        "550 5.7.509 Access denied, sending domain [CONTOSO.COM] does not pass DMARC verification and has a DMARC "
        "policy of reject. [AB1CDE02FT003.eop-EUR05.prod.protection.outlook.com 2026-11-22T02:03:21.000Z "
        "08DE0123456789AB]",
    ),
    (
        "smtp-sender-not-allowed",
        "rcpt",
        553,
        "553 5.7.1 <eve@contoso.com>: Sender address rejected: not owned by user ann@contoso.com",
    ),
    (
        "smtp-sender-not-allowed",
        "data",
        554,
        "554 Message rejected: Email address is not verified. The following identities failed the check in region "
        "EU-WEST-1: ann@contoso.com",
    ),
    (
        "smtp-sender-domain-unknown",
        "rcpt",
        450,
        "450 4.1.8 <ann@nowhere.test>: Sender address rejected: Domain not found",
    ),
    (
        "smtp-sender-domain-unknown",
        "mail",
        553,
        "553 5.1.8 <root@vm>... Domain of sender address root@vm does not exist",
    ),
    (
        "smtp-sender-banned",
        "data",
        550,
        "550 5.1.8 Access denied, bad outbound sender. For more information please go to x AS(42004)",
    ),
    ("smtp-sender-banned", "mail", 550, "550 5.7.501 Access denied, spam abuse detected. AS(4810)"),
    ("smtp-sender-banned", "mail", 550, "550 5.7.511 Access denied, banned sender[192.0.2.1]. AS(1410)"),
    (
        "smtp-sender-banned",
        "data",
        554,
        "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Failed to process message due to a permanent "
        "exception with message WASCL UserAction verdict is not None. Actual verdict is Suspend, ShowTierUpgrade.",
    ),
    (
        "smtp-tenant-blocked",
        "data",
        550,
        "550 5.7.705 Service unavailable. Access denied, tenant has exceeded threshold. AS(7220)",
    ),
    (
        "smtp-address-not-accepted",
        "data",
        550,
        "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP. AS(7230)",
    ),
    (
        "smtp-address-not-accepted",
        "rcpt",
        550,
        "550 5.7.606 Access denied, banned sending IP [192.0.2.7]. To request removal",
    ),
    (
        "smtp-domain-not-registered",
        "mail",
        550,
        "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
    ),
    (
        "smtp-no-reverse-dns",
        "data",
        550,
        "550-5.7.25 [192.0.2.7] The IP address sending this message does not have a\n550-5.7.25 PTR record setup, "
        "or the corresponding forward DNS entry does not\n550 5.7.25 point to the sending IP. l13 - gsmtp",
    ),
    (
        "smtp-no-reverse-dns",
        "rcpt",
        450,
        "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.7]",
    ),
    (
        "smtp-sender-refused",
        "mail",
        553,
        "553 5.1.7 The sender address <ann@contoso> is not a valid RFC-5321 address. - gsmtp",
    ),
    (
        "smtp-sender-refused",
        "rcpt",
        550,
        "550 5.1.0 <ann@contoso.com>: Sender address rejected: User unknown in local table",
    ),
    ("smtp-sender-refused", "mail", 501, "501 Syntactically incorrect path"),
]
SMTP_LIMITS = [
    ("smtp-message-too-large", "mail", 552, "552 5.3.4 Message size exceeds fixed limit"),
    (
        "smtp-message-too-large",
        "data",
        552,
        "552-5.3.4 Your message exceeded Google's message size limits. To view our message\n552-5.3.4 size "
        "guidelines, go to\n552 5.3.4 https://support.google.com/mail/?p=MaxSizeError x - gsmtp",
    ),
    (
        "smtp-message-too-large",
        "rcpt",
        550,
        "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
    ),
    ("smtp-message-too-large", "mail", None, "the server takes 10240000 octets (SIZE); the message has 15000000"),
    (
        "smtp-recipient-rate",
        "rcpt",
        550,
        "550 5.2.121 RESOLVER.RST.RecipLimit; Recipient's per hour message receive limit from specific sender exceeded",
    ),
    (
        "smtp-recipient-rate",
        "rcpt",
        550,
        "550 5.2.122 The recipient has exceeded their limit for the number of messages they can receive per hour.",
    ),
    (
        "smtp-recipient-rate",
        "rcpt",
        450,
        "450-4.2.1 The user you are trying to contact is receiving mail too quickly.\n450 4.2.1 x - gsmtp",
    ),
    (
        "smtp-sending-quota",
        "data",
        554,
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a "
        "permanent exception with message The message can't be submitted because the sender's submission quota was "
        "exceeded.",
    ),
    ("smtp-sending-quota", "mail", 550, "550 5.5.1 User is over the quota. You can try again later."),
    ("smtp-sending-quota", "data", 550, "550 5.2.2 Submission quota exceeded"),
    (
        "smtp-sending-quota",
        "data",
        550,
        "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    ),
    (
        "smtp-sending-quota",
        "data",
        550,
        "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to "
        "external recipients",
    ),
    (
        "smtp-sending-quota",
        "data",
        550,
        "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550 5.4.5 sending limits go to x "
        "- gsmtp",
    ),
    ("smtp-sending-quota", "data", 454, "454 Throttling failure: Daily message quota exceeded."),
    (
        "smtp-sending-quota",
        "rcpt",
        550,
        "550 Domain contoso.com has exceeded the max emails per hour (151/150 (100%)) allowed.  Message discarded.",
    ),
    ("smtp-too-many-recipients", "rcpt", 452, "452 4.5.3 Error: too many recipients"),
    ("smtp-too-many-recipients", "rcpt", 550, "550 5.5.3 RESOLVER.ADR.RecipLimit; too many recipients"),
    (
        "smtp-sender-concurrency",
        "data",
        432,
        "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded "
        "[Hostname=DB7PR04MB5036.eurprd04.prod.outlook.com]",
    ),
    ("smtp-recipient-concurrency", "data", 432, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded"),
    (
        "smtp-too-many-connections",
        "connect",
        421,
        "421 4.7.0 mail.example.com Error: too many connections from 192.0.2.7",
    ),
    (
        "smtp-too-many-connections",
        "auth",
        421,
        "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel",
    ),
    (
        "smtp-rate-limited",
        "data",
        421,
        "421-4.7.28 [192.0.2.44 15] Our system has detected an unusual rate of\n421-4.7.28 unsolicited mail "
        "originating from your IP address. To protect our\n421-4.7.28 users from spam, mail sent from your IP address "
        "has been temporarily\n421 4.7.28 rate limited. p2 - gsmtp",
    ),
    ("smtp-rate-limited", "data", 454, "454 Throttling failure: Maximum sending rate exceeded."),
    ("smtp-rate-limited", "mail", 451, "451 4.7.500 Server busy. Please try again later from [192.0.2.44]. (AS77713)"),
    (
        "smtp-rate-limited",
        "connect",
        421,
        "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user complaints",
    ),
]
SMTP_TRUST = [
    ("smtp-relay-denied", "rcpt", 554, "554 5.7.1 <bob@example.com>: Relay access denied"),
    ("smtp-relay-denied", "rcpt", 550, "550 5.7.1 Unable to relay"),
    ("smtp-relay-denied", "rcpt", 550, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
    ("smtp-relay-denied", "mail", 530, "550 5.7.1 Client was not authenticated"),
    ("smtp-relay-denied", "rcpt", 550, "550 5.7.64 TenantAttribution; Relay Access Denied [VE1EUR03FT038.eop-EUR03]"),
    ("smtp-relay-denied", "rcpt", 553, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    (
        "smtp-relay-denied",
        "rcpt",
        550,
        "550-mail.example.com (app) [192.0.2.7]:4711 is not permitted to\n550 relay through this server without "
        "authentication.",
    ),
    (
        "smtp-listed",
        "rcpt",
        554,
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; "
        "https://www.spamhaus.org/query/ip/192.0.2.1",
    ),
    (
        "smtp-listed",
        "connect",
        550,
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service "
        "provider since part of their network is on our block list (S3150).",
    ),
    ("smtp-ehlo-name-refused", "rcpt", 504, "504 5.5.2 <app>: Helo command rejected: need fully-qualified hostname"),
    ("smtp-ehlo-name-refused", "ehlo", 501, "501 Syntactically invalid EHLO argument(s)"),
    (
        "smtp-greylisted",
        "rcpt",
        450,
        "450 4.2.0 <bob@example.com>: Recipient address rejected: Greylisted, see "
        "http://postgrey.schweikert.ch/help/example.com.html",
    ),
    ("smtp-greylisted", "rcpt", 451, "451 4.7.1 Greylisting in action, please come back later"),
    (
        "smtp-poor-reputation",
        "data",
        421,
        "421-4.7.0 [192.0.2.22      18] Our system has detected that this message is\n421-4.7.0 suspicious due to the "
        "very low reputation of the sending IP address.\n421 4.7.0 c9 - gsmtp",
    ),
    ("smtp-connection-not-wanted", "connect", 554, "554 mx.example.com ESMTP not accepting messages"),
    ("smtp-connection-not-wanted", "connect", 554, "554-mx.example.com\n554 Your access has been rejected"),
]
SMTP_RECIPIENT = [
    ("smtp-single-label-domain", "rcpt", 550, "550 5.1.6 Recipient addresses in single label domains not accepted"),
    (
        "smtp-single-label-domain",
        "rcpt",
        504,
        "504 5.5.2 <bob@server>: Recipient address rejected: need fully-qualified address",
    ),
    (
        "smtp-recipient-mailbox-full",
        "data",
        554,
        "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; "
        "Failed to process message due to a permanent exception",
    ),
    (
        "smtp-recipient-mailbox-full",
        "rcpt",
        452,
        "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n452-4.2.2 recipient to\n452 4.2.2 "
        "https://support.google.com/mail/?p=OverQuotaTemp q10 - gsmtp",
    ),
    ("smtp-recipient-mailbox-full", "rcpt", 552, "552 Requested mail action aborted: exceeded storage allocation"),
    ("smtp-recipient-moved", "rcpt", 551, "551 User not local; please try <bob@example.net>"),
    ("smtp-recipient-moved", "rcpt", 550, "550 5.1.6 recipient no longer on server: bob@example.com"),
    (
        "smtp-recipient-blocked-by-us",
        "data",
        550,
        "550 5.7.703 Your message can't be delivered because messages to eve@example.com are blocked by your "
        "organization using Tenant Allow Block List.",
    ),
    (
        "smtp-recipient-restricted",
        "data",
        550,
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
    ),
    ("smtp-recipient-restricted", "data", 550, "550 5.7.124 Sender not in allowed-senders list"),
    ("smtp-recipient-restricted", "rcpt", 550, "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required"),
    (
        "smtp-recipient-domain-unknown",
        "rcpt",
        550,
        "550 5.1.2 <bob@nowhere.test>: Recipient address rejected: Domain not found",
    ),
    (
        "smtp-recipient-domain-unknown",
        "data",
        550,
        "550 5.4.310 DNS domain nowhere.test does not exist [Message=InfoDomainNonexistent]",
    ),
    (
        "smtp-recipient-domain-unknown",
        "rcpt",
        556,
        "556 5.1.10 <bob@example.com>: Recipient address rejected: Domain example.com does not accept mail (nullMX)",
    ),
    ("smtp-recipient-address-invalid", "rcpt", 501, "501 5.1.3 Bad recipient address syntax"),
    ("smtp-recipient-address-invalid", "rcpt", 553, "553 mailbox name not allowed"),
    (
        "smtp-recipient-disabled",
        "rcpt",
        550,
        "550-5.2.1 The email account that you tried to reach is inactive. For more\n550 5.2.1 information x - gsmtp",
    ),
    ("smtp-recipient-ambiguous", "data", 550, "550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address"),
    (
        "smtp-mail-loop",
        "data",
        554,
        "554 5.4.14 Hop count exceeded - possible mail loop ATTR34 [AM6EUR05FT063.eop-eur05]",
    ),
    ("smtp-mail-loop", "data", 554, "554 5.4.6 Too many hops"),
    (
        "smtp-recipient-server-not-secure",
        "data",
        550,
        "550 5.7.322 certificate-expired: Destination mail server's certificate is expired.",
    ),
    ("smtp-recipient-server-not-secure", "data", 450, "450 4.7.323 tlsa-invalid: The domain failed DANE validation"),
    (
        "smtp-recipient-unknown",
        "rcpt",
        550,
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 double-checking the "
        "recipient's email address for typos or\n550 5.1.1 unnecessary spaces. y6 - gsmtp",
    ),
    (
        "smtp-recipient-unknown",
        "rcpt",
        550,
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient bob@contoso.com not found by SMTP address lookup",
    ),
    ("smtp-recipient-unknown", "rcpt", 550, "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."),
    (
        "smtp-recipient-unknown",
        "rcpt",
        550,
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [DB5EUR01FT059.eop-EUR01]",
    ),
    (
        "smtp-recipient-unknown",
        "rcpt",
        554,
        "554 delivery error: dd This user doesn't have a yahoo.com account (bob@yahoo.com) [0] - mta4011",
    ),
    (
        "smtp-recipient-not-verified",
        "rcpt",
        450,
        "450 4.1.1 <bob@example.com>: Recipient address rejected: unverified address: Address verification in progress",
    ),
    ("smtp-recipient-refused", "rcpt", 550, "550 #5.1.0 Address rejected."),
]
SMTP_CONTENT = [
    (
        "smtp-utf8-not-supported",
        "mail",
        None,
        "the server does not offer SMTPUTF8, which an address or header in UTF-8 needs",
    ),
    (
        "smtp-utf8-not-supported",
        "rcpt",
        553,
        "553 5.6.7 SMTPUTF8 is required, but was not offered by host mx.example.com[192.0.2.1]",
    ),
    (
        "smtp-8bit-not-supported",
        "mail",
        None,
        "the server does not offer 8BITMIME, which the content needs: it has octets beyond ASCII",
    ),
    ("smtp-busy", "data", 451, "451 4.7.1 Service unavailable - try again later (clamav)"),
    ("smtp-virus", "data", 554, "554 5.7.1 virus Eicar-Signature detected by ClamAV"),
    (
        "smtp-attachment-refused",
        "data",
        552,
        "552-5.7.0 This message was blocked because its content presents a potential\n552-5.7.0 security issue. "
        "Please visit\n552 5.7.0 https://support.google.com/mail/?p=BlockedMessage f1 - gsmtp",
    ),
    (
        "smtp-content-invalid",
        "data",
        550,
        "550-5.7.1 This message is not RFC 5322 compliant, the issue is:\n550 5.7.1 duplicate From header",
    ),
    ("smtp-content-invalid", "data", 554, "554 Transaction failed: Expected MIME type, got text"),
    ("smtp-content-invalid", "data", 521, "521 5.5.2 mail.example.com Error: bare <LF> received"),
    (
        "smtp-content-invalid",
        "data",
        550,
        "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds",
    ),
    ("smtp-spam", "data", 554, "554 5.7.1 Spam message rejected; If this is not spam contact abuse"),
    (
        "smtp-policy-refusal",
        "data",
        550,
        "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy",
    ),
    (
        "smtp-policy-refusal",
        "mail",
        554,
        "554 Transaction failed Reject due to policy restrictions. For explanation visit "
        "https://postmaster.gmx.net/de/error-messages?ip=192.0.2.1&c=hi",
    ),
    ("smtp-policy-refusal", "rcpt", 550, "550 Administrative prohibition"),
]
SMTP_SERVER = [
    ("smtp-tls-not-available", "tls", 454, "454 4.7.0 TLS not available due to local problem"),
    (
        "smtp-starttls-not-offered",
        "tls",
        None,
        "no TLS with the server: SMTP STARTTLS extension not supported by server.",
    ),
    ("smtp-starttls-not-offered", "tls", 502, "502 5.5.1 Error: command not implemented"),
    ("smtp-not-smtp", "connect", None, "SMTPConnectError: Malformed SMTP response line: b'HTTP/1.1 400 Bad Request'"),
    ("smtp-not-smtp", "ehlo", None, "the server answered 999, which is no reply to this"),
    ("smtp-out-of-step", "data", None, "lost before the content was sent: 250 is no answer to DATA"),
    ("smtp-out-of-step", "rcpt", None, "lost before the content was sent: the server said something unasked"),
    ("smtp-out-of-step", "mail", None, "lost before the content was sent: a reply that is too long"),
    ("smtp-out-of-step", "data", None, "lost before the content was sent: 250 came before the content's end"),
    ("smtp-out-of-space", "mail", 452, "452 4.3.1 Insufficient system resources (UsedDiskSpace[C:\\Exchange])"),
    ("smtp-connection-dropped", "data", 451, "451 4.4.2 Timeout - closing connection. q3 - gsmtp"),
    ("smtp-connection-dropped", "data", 421, "421 4.4.2 mail.example.com Error: timeout exceeded"),
    ("smtp-busy", "connect", 421, "421 mail.example.com Service not available, closing transmission channel"),
    ("smtp-busy", "rcpt", 451, "451 4.3.0 <bob@example.com>: Temporary lookup failure"),
    ("smtp-try-later", "rcpt", 450, "450 4.2.1 Requested mail action not taken: mailbox unavailable"),
    ("smtp-try-later", "data", 451, "451 Requested action aborted: local error in processing"),
    ("smtp-try-later", "data", 451, "451 4.7.0 Temporary server error. Please try again later. PRX5"),
    ("smtp-command-refused", "mail", 503, "503 5.5.1 Error: nested MAIL command"),
    ("smtp-command-refused", "mail", 555, "555 5.5.4 Unsupported option: SIZE=100"),
]
GRAPH = [
    (
        "graph-mailbox-not-in-scope",
        "request",
        403,
        graph(
            "ErrorAccessDenied",
            "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
        ),
    ),
    (
        "graph-access-denied",
        "request",
        403,
        graph("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    ),
    (
        "graph-access-denied",
        "request",
        403,
        graph("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    ),
    (
        "graph-token-expired",
        "request",
        401,
        graph("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
    ),
    (
        "graph-token-refused",
        "request",
        401,
        graph("InvalidAuthenticationToken", "Access token validation failure. Invalid audience."),
    ),
    ("graph-token-refused", "request", 401, ""),
    (
        "graph-mailbox-not-enabled",
        "request",
        404,
        graph("MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise."),
    ),
    (
        "graph-sender-not-found",
        "request",
        404,
        graph("ErrorInvalidUser", "The requested user 'ann@contoso.com' is invalid."),
    ),
    ("graph-sender-not-found", "request", 404, graph("ResourceNotFound", "Resource could not be discovered.")),
    ("graph-sender-not-found", "request", 400, graph("ErrorNonExistentMailbox", "The mailbox does not exist.")),
    ("graph-mailbox-not-enabled", "request", 400, graph("ErrorMailboxDisabled", "The mailbox is disabled.")),
    ("graph-mailbox-not-enabled", "request", 400, graph("ErrorAccountDisabled", "The account is disabled.")),
    ("graph-mailbox-not-enabled", "request", 400, graph("BadRequest", "The account has been disabled.")),
    (
        "graph-extension-error",
        "request",
        403,
        graph("extensionError", "Operation: Create; Exception: [Status Code: Forbidden]"),
    ),
    (
        "graph-mailbox-concurrency",
        "request",
        429,
        graph("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    ),
    ("graph-throttled", "request", 429, graph("ApplicationThrottled", "Application is over its RequestRate limit.")),
    ("graph-throttled", "request", 429, graph("TooManyRequests", "Too many requests")),
    (
        "graph-upload-lost",
        "request",
        404,
        graph("ErrorItemNotFound", "The specified object was not found in the store."),
    ),
    ("graph-not-accepted", "request", 200, ""),
    ("graph-upload-lost", "request", None, "Graph gave no address to upload to"),
    ("graph-upload-lost", "request", None, "Graph named no draft"),
    (
        "graph-needs-drafts",
        "request",
        403,
        "the message has 5000000 octets, and Graph takes 2200000 in one request: larger ones go as drafts, for which "
        "the application needs the permission Mail.ReadWrite (403 ErrorAccessDenied: Access is denied.)",
    ),
    (
        "graph-text-too-large",
        "request",
        None,
        "the message is too large: what it has besides its files is too large for a draft",
    ),
]
EXCHANGE = [
    (
        "exchange-sign-in-page",
        "auth",
        401,
        "UnauthorizedError: a sign-in page stands in front of Exchange Web Services",
    ),
    ("exchange-online-has-no-ews", "request", 403, "EWS access is blocked for this organization."),
    ("exchange-online-has-no-ews", None, None, "the endpoint is that of Exchange Online"),
    (
        "exchange-external-user",
        "request",
        None,
        "the sender is an external user: they cannot send through Exchange Server",
    ),
    (
        "exchange-too-large",
        "request",
        None,
        "the message has 45000001 octets, and Exchange Web Services take 45000000",
    ),
    (
        "exchange-impersonation-denied",
        "request",
        500,
        soap("ErrorImpersonateUserDenied", "The account does not have permission to impersonate the requested user."),
    ),
    ("exchange-account-refused", "request", None, "ErrorPasswordExpired: The password for the account has expired."),
    (
        "exchange-credentials-refused",
        "request",
        None,
        "UnauthorizedError: Invalid credentials for https://mail.contoso.com/EWS/Exchange.asmx",
    ),
    ("exchange-credentials-refused", "request", 401, ""),
    (
        "exchange-access-denied",
        "request",
        200,
        soap("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    ),
    (
        "exchange-sender-not-found",
        "request",
        200,
        soap("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it."),
    ),
    (
        "exchange-not-found-by-autodiscover",
        None,
        None,
        "AutoDiscoverFailed: All steps in the autodiscover protocol failed for email ann@contoso.com",
    ),
    (
        "exchange-version-not-supported",
        "request",
        500,
        soap("ErrorInvalidServerVersion", "The specified server version is invalid."),
    ),
    (
        "exchange-throttled",
        "request",
        500,
        soap("ErrorExceededConnectionCount", "You have exceeded the available concurrent connections."),
    ),
]
MAILBOX = [  # Graph and Exchange Server alike
    (
        "mailbox-send-as-denied",
        403,
        "ErrorSendAsDenied",
        "The user account which was used to submit this request does not have the right to send mail on behalf of the "
        "specified sending account., Cannot submit message.",
    ),
    (
        "mailbox-invalid-recipients",
        400,
        "ErrorInvalidRecipients",
        "At least one recipient isn't valid., A message can't be sent because it contains no recipients.",
    ),
    ("mailbox-message-too-large", 413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size."),
    ("mailbox-full", 507, "ErrorQuotaExceeded", "The mailbox has exceeded its maximum size."),
    (
        "mailbox-sending-quota",
        403,
        "ErrorExceededMessageLimit",
        "Cannot send mail. Follow the instructions in your Inbox to verify your account.",
    ),
    ("mailbox-sending-quota", 400, "ErrorExceededMessageLimit", "Message limit exceeded."),
    ("mailbox-sending-quota", 403, "ErrorExceededMaxRecipientLimit", "Recipient limit exceeded."),
    ("mailbox-sending-quota", 403, "ErrorExceededHourlyMessageLimit", "Hourly limit exceeded."),
    (
        "mailbox-sender-blocked",
        403,
        "ErrorAccountSuspend",
        "Account suspended. Follow the instructions in your Inbox to verify your account.",
    ),
    ("mailbox-sender-blocked", 403, "ErrorMessageBlocked", "Message blocked."),
    ("mailbox-content-refused", 400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content."),
    ("mailbox-busy", 503, "ErrorServerBusy", "The server cannot service this request right now. Try again later."),
    ("mailbox-busy", 504, "ErrorTimeoutExpired", "The request timed out."),
    ("mailbox-busy", 503, "ErrorMailboxStoreUnavailable", "The mailbox database is temporarily unavailable."),
    ("mailbox-busy", 503, "ErrorMailboxMoveInProgress", "Mailbox move in progress. Try again later."),
    ("mailbox-busy", 500, "ErrorInternalServerTransientError", "An internal server error occurred. Try again later."),
]
TLS = [
    (
        "tls-certificate-expired",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
    ),
    (
        "tls-certificate-not-yet-valid",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid (_ssl.c:1006)",
    ),
    (
        "tls-certificate-wrong-name",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for "
        "'mail.contoso.com'. (_ssl.c:1006)",
    ),
    ("tls-certificate-wrong-name", "IP address mismatch, certificate is not valid for '10.0.0.1'. (_ssl.c:1006)"),
    (
        "tls-certificate-untrusted",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain "
        "(_ssl.c:1006)",
    ),
    (
        "tls-certificate-untrusted",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate "
        "(_ssl.c:1006)",
    ),
    (
        "tls-certificate-refused",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: EE certificate key too weak (_ssl.c:1006)",
    ),
    (
        "tls-client-certificate-wanted",
        "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2570)",
    ),
    ("tls-not-spoken", "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
    ("tls-version-not-shared", "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version (_ssl.c:1006)"),
    ("tls-version-not-shared", "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1006)"),
    ("tls-no-shared-cipher", "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1006)"),
    ("tls-broken-off", "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)"),
    ("tls-failed", "[SSL: BAD_SIGNATURE] bad signature (_ssl.c:1006)"),
]
NETWORK = [
    ("network-proxy-wants-sign-in", "ProxyError: 407 Proxy Authentication Required"),
    ("network-proxy-refused", "ProxyError: Cannot connect to proxy. Tunnel connection failed: 403 Forbidden"),
    ("network-name-lookup-failed", "[Errno -3] Temporary failure in name resolution"),
    ("network-name-unknown", "[Errno -2] Name or service not known"),
    ("network-name-unknown", "[Errno 11001] getaddrinfo failed"),
    ("network-name-unknown", "[Errno 8] nodename nor servname provided, or not known"),
    ("network-refused", "[Errno 111] Connect call failed ('10.0.0.1', 587)"),
    (
        "network-refused",
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 587, 0, 0), [Errno 111] Connect call failed "
        "('127.0.0.1', 587)",
    ),
    ("network-unreachable", "[Errno 113] Connect call failed ('10.0.0.1', 587)"),
    ("network-unreachable", "[Errno 101] Network is unreachable"),
    ("network-timeout", "SMTPConnectTimeoutError: Timed out connecting to smtp.contoso.com on port 587"),
    ("network-timeout", "ReadTimeout"),
    ("network-timeout", "no answer within 30 seconds"),
    ("network-connection-lost", "[Errno 104] Connection reset by peer"),
    ("network-connection-lost", "SMTPServerDisconnected: Connection lost"),
    ("network-connection-lost", "no connection to the server: SMTPServerDisconnected: Unexpected EOF received"),
    ("network-connection-lost", "lost before the content was sent: SMTPServerDisconnected: Unexpected EOF received"),
    ("network-connection-lost", "RemoteProtocolError: Server disconnected without sending a response."),
    ("network-no-connection", "ConnectError: All connection attempts failed"),
]
UNKNOWN = [
    ("unknown-permanent", "data", 554, "554 Transaction failed"),
    ("unknown-transient", "data", 459, "459 come again"),
    ("unknown", None, None, ""),
]
RECORDED = [
    *(
        (id, "smtp", *rest)
        for id, *rest in (*OWN, *SMTP_SIGN_IN, *SMTP_SENDER, *SMTP_LIMITS, *SMTP_TRUST, *SMTP_RECIPIENT)
    ),
    *((id, "smtp", *rest) for id, *rest in (*SMTP_CONTENT, *SMTP_SERVER, *UNKNOWN)),
    *((id, "graph", *rest) for id, *rest in GRAPH),
    *((id, "exchange", *rest) for id, *rest in EXCHANGE),
    *((id, "graph", "request", code, graph(name, words)) for id, code, name, words in MAILBOX),
    *((id, "exchange", "request", 500, soap(name, words)) for id, _, name, words in MAILBOX),
    *((id, "exchange", "request", None, f"{name}: {words}") for id, _, name, words in MAILBOX),
    *((id, provider, *rest) for id, *rest in (*VAULT, *ENTRA) for provider in ("smtp", "graph")),
    *((id, provider, "tls", None, reply) for id, reply in TLS for provider in ("smtp", "graph", "exchange")),
    *((id, provider, "connect", None, reply) for id, reply in NETWORK for provider in ("smtp", "graph", "exchange")),
]
