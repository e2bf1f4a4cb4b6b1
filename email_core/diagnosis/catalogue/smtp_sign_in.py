"""Signing in to an SMTP server (facts/smtp.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_AUTH = ("auth",)
_LOCKED = (r"(?:user|account|mailbox)(?: \S+){0,3} (?:locked|disabled|suspended|blocked)",)
_TRY = "Then try it with `POST /api/test-email`."
_OAUTH = (
    "sign in with OAuth: `smtp_authentication` oauth, with an app registration that has the permission SMTP.SendAsApp"
)

SECTION = Section(
    title="SMTP: signing in",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-auth-disabled-for-tenant",
            Category.CONFIGURATION,
            Retry.NO,
            "Exchange Online: SMTP AUTH is switched off for the whole organization",
            "The organization does not let anybody sign in to send by SMTP.",
            "Exchange Online PowerShell: `Set-TransportConfig -SmtpClientAuthenticationDisabled $false` for all, or "
            "`Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled $false` for the sending mailbox "
            "alone. It takes up to an hour to count.",
            Match(text=(r"smtpclientauthentication is disabled for the tenant",)),
        ),
        entry(
            "smtp-auth-disabled-for-mailbox",
            Category.CONFIGURATION,
            Retry.NO,
            "Exchange Online: SMTP AUTH is switched off for the mailbox",
            "The mailbox named in `smtp_user_name` may not sign in to send by SMTP.",
            "Exchange Online PowerShell: `Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled "
            "$false`; or Microsoft 365 admin centre > Users > Active users > the user > Mail > Manage email apps > "
            "Authenticated SMTP. It takes up to an hour to count.",
            Match(text=(r"smtp ?client ?authentication(?: \S+){0,2} disabled",)),
        ),
        entry(
            "smtp-basic-auth-off",
            Category.CONFIGURATION,
            Retry.NO,
            "The service does not take a user name and password any more",
            "Exchange Online and Outlook.com switch basic authentication off; a correct password does not help.",
            f"Instead, {_OAUTH}. Or send through Microsoft Graph.",
            Match(text=(r"basic auth\w*(?: \S+){0,3} (?:disabled|not supported|blocked|not allowed|retired)",)),
            Match(enhanced=("5.7.30",)),
        ),
        entry(
            "smtp-sign-in-criteria-not-met",
            Category.CONFIGURATION,
            Retry.NO,
            "The sign-in does not meet the organization's rules",
            "Multi-factor authentication, Conditional Access or an authentication policy does not let this account "
            "sign in with a password.",
            "Microsoft Entra admin centre > Sign-in logs names the policy: exclude the account there, or allow SMTP "
            f"in its authentication policy (`Get-AuthenticationPolicy`). Better, {_OAUTH}.",
            Match(text=(r"did not meet the criteria|criteria to be authenticated",)),
        ),
        entry(
            "smtp-security-defaults",
            Category.CONFIGURATION,
            Retry.NO,
            "The organization's security defaults block the account",
            "Security defaults block sign-ins with a password alone, and so SMTP AUTH.",
            f"Instead, {_OAUTH}. Or switch security defaults off (Microsoft Entra admin centre > Overview > Properties "
            "> Manage security defaults) and use Conditional Access in their place.",
            Match(text=(r"security defaults",)),
            Match(enhanced=("5.7.139",), text=(r"security defaults",)),
        ),
        entry(
            "smtp-account-locked",
            Category.CREDENTIALS,
            Retry.NO,
            "The account is locked, disabled or wants a new password",
            "The server knows the account but does not let it sign in as it is.",
            "Sign in with the account on the service's web site or ask its administrator; then enter the password "
            f"again: `PUT /api/secrets/smtp-password`. {_TRY}",
            Match(stages=_AUTH, text=_LOCKED),
            Match(
                status=(534, 535),
                text=_LOCKED,
            ),
            Match(only=5, text=(r"password(?: \S+){0,3} (?:expired|change required)|password transition",)),
            Match(text=(r"log ?in (?:with|via|through|using) (?:your|a) (?:web )?browser|web ?login required",)),
            Match(enhanced=("x.7.12",), status=(432, 535)),
            Match(enhanced=("5.7.14",)),
        ),
        entry(
            "smtp-app-password-required",
            Category.CREDENTIALS,
            Retry.NO,
            "The service wants an app password",
            "With two-step verification, Gmail, Yahoo! Mail and others take no usual password from a program.",
            "Make an app password in the account's security settings (Google: "
            "https://myaccount.google.com/apppasswords; Yahoo!: Account security > Generate app password) and enter "
            "it: `PUT /api/secrets/smtp-password`.",
            Match(
                text=(
                    r"application[- ]specific password|app(?:lication)?[- ]?(?:specific )?passwords?\b",
                    r"invalidsecondfactor",
                )
            ),
            Match(enhanced=("5.7.9",), status=(534, 535)),
        ),
        entry(
            "smtp-too-many-sign-ins",
            Category.THROTTLING,
            Retry.LATER,
            "Too many sign-ins: the server refuses all for a while",
            "The server counts sign-ins, or failed ones, and makes the account or this address wait.",
            "Wait, do not try by hand. See that no other program uses the account with an old password; lower "
            "`smtp_max_connections`.",
            Match(
                text=(
                    r"too many (?:\S+ ){0,3}(?:log ?in|auth\w*|sign-?in|password)",
                    r"(?:login|auth\w*) (?:rate|attempts?) (?:limit|exceeded)|#auth005",
                )
            ),
        ),
        entry(
            "smtp-sign-in-deferred",
            Category.TRANSIENT,
            Retry.SOON,
            "The server cannot check the sign-in just now",
            "The server reached no decision: its own user directory does not answer.",
            "Nothing, if it passes. Else tell whoever runs the server.",
            Match(
                stages=_AUTH,
                text=(
                    r"temporar\w* (?:auth\w* (?:failure|error|problem)|unable to auth\w*)",
                    r"auth\w* (?:\S+ )?temporar\w*",
                ),
            ),
            Match(status=(421, 450, 451, 454), stages=_AUTH),
            Match(status=(454,), stages=_AUTH, enhanced=("4.7.0", "4.3.0")),
        ),
        entry(
            "smtp-encryption-required",
            Category.CONFIGURATION,
            Retry.NO,
            "The server wants an encrypted connection first",
            "It takes neither a sign-in nor mail over a connection without TLS.",
            f"Set `smtp_security` to starttls (port 587) or tls (port 465). {_TRY}",
            Match(
                text=(
                    r"starttls (?:command )?(?:first|is required|required)",
                    r"must (?:first )?(?:issue|use|send) (?:a )?starttls|to use tls/ssl",
                )
            ),
            Match(
                text=(
                    r"(?:requires?|need|issue|must use|without) (?:\S+ )?(?:starttls|tls|ssl|encrypt\w*)\b",
                    r"\b(?:starttls|tls|ssl|encryption)(?: \S+)? (?:required|needed|mandatory)",
                    r"(?:plain ?text|clear ?text) (?:\S+ )?(?:disallowed|not allowed|disabled|prohibited)",
                )
            ),
            Match(enhanced=("5.7.10", "5.7.11")),
            Match(enhanced=("5.7.11",), status=(538,), stages=_AUTH),
        ),
        entry(
            "smtp-auth-not-offered",
            Category.CONFIGURATION,
            Retry.NO,
            "The server does not support authentication, but a user name is set",
            "The server offers no sign-in, or none of the ways that this subsystem knows, on this port.",
            "If `smtp_security` is none, set it to starttls: most servers offer a sign-in only then. Clear "
            "`smtp_user_name` (or set `smtp_authentication` to none) where the server takes mail without a sign-in, as "
            "relays inside a network do. Else see that `smtp_port` is the one for submission (587), and "
            "that `smtp_authentication` is a way that the server offers.",
            Match(
                text=(
                    r"does not (?:support|offer|advertise|allow) (?:\S+ )?auth\w*",
                    r"auth\w*(?: \S+){0,3} not (?:\S+ )?(?:supported|enabled|available|offered|advertised|implemented)",
                    r"no (?:supported|suitable|acceptable|known|common) auth\w*",
                    r"auth command used when not advertised",
                    r"(?:unrecogni[sz]ed|unsupported|unknown|invalid) auth\w* (?:type|mechanism|method|command)",
                    r"auth\w* mechanism(?: \S+){0,3} (?:too weak|not supported|unsupported|unavailable|invalid)",
                    r"^the server offers to sign in by .* and not by",
                )
            ),
            Match(status=(500, 501, 502, 503, 504, 534, 538), stages=_AUTH),
            Match(
                status=(500, 501, 502, 503, 504, 534, 538),
                stages=_AUTH,
                enhanced=("5.3.3", "5.5.1", "5.5.2", "5.5.4", "5.7.0", "5.7.1", "5.7.3", "5.7.4"),
            ),
            Match(enhanced=("5.7.4",)),
            Match(status=(538, 534)),
        ),
        entry(
            "smtp-not-signed-in",
            Category.CREDENTIALS,
            Retry.NO,
            "The server wants a sign-in before it takes mail",
            "No user name is set, or the server did not take the connection for a signed-in one.",
            "Set `smtp_user_name` and enter the password: `PUT /api/secrets/smtp-password`. For Exchange Online the "
            f"port is 587 and the user name is the mailbox's address. {_TRY}",
            Match(
                text=(
                    r"auth\w*(?: is)? required|must (?:be )?(?:auth\w*|log(?:ged)? ?in)",
                    r"please (?:auth\w*|log ?in)",
                    r"client (?:was |is )?not authenticated|not logged in|(?:auth\w*|log ?in) first",
                    r"unauthenticated senders?|turn on (?:\S+ )?auth|auth\w* turned on",
                )
            ),
            Match(status=(530,)),
            Match(status=(530,), enhanced=("5.5.1", "5.7.0", "5.7.1", "5.7.3")),
            Match(enhanced=("5.7.57",)),
        ),
        entry(
            "smtp-credentials-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "The server does not accept the user name and password",
            "One of them is wrong, or the account may not sign in this way. With OAuth: the token's application has no "
            "access to the mailbox. Sending pauses, so that the account is not locked by trying.",
            "Compare `smtp_user_name`, enter the password again (`PUT /api/secrets/smtp-password`), and try it with "
            "`POST /api/test-email`. With OAuth on Exchange Online: `New-ServicePrincipal`, then "
            "`Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess`, and "
            "SMTP.SendAsApp with admin consent.",
            Match(enhanced=("5.7.139",), text=(r"credential|password",)),
            Match(
                text=(
                    r"(?:user ?name|log ?in|credential|password)\w*(?: \S+){0,4} (?:not accepted|incorrect|invalid)",
                    r"(?:invalid|incorrect|wrong|bad) (?:\S+ )?(?:user ?name|log ?in|credential|password|auth\w* data)",
                )
            ),
            Match(no_reply=True, text=(r"authentication (?:failed|unsuccessful|credentials invalid)",)),
            Match(status=(535,)),
            Match(status=(550, 553, 554), stages=_AUTH),
            Match(status=(535,), enhanced=("5.0.0", "5.5.4", "5.7.0", "5.7.1", "5.7.2", "5.7.3")),
            Match(stages=_AUTH, enhanced=("5.7.0", "5.7.1", "5.7.2", "5.7.3", "5.7.8")),
            Match(enhanced=("5.7.3", "5.7.8")),
        ),
        entry(
            "smtp-sign-in-refused-by-exchange",
            Category.CONFIGURATION,
            Retry.NO,
            "Exchange Online refuses the sign-in for a reason of its own",
            "The code says that a setting of the mailbox, the organization or its policies stands against it.",
            "Microsoft Entra admin centre > Sign-in logs, filtered by the account, names the reason. See also that "
            "SMTP AUTH is on for the mailbox: `Get-CASMailbox <mailbox> | fl SmtpClientAuthenticationDisabled`.",
            Match(enhanced=("5.7.139",)),
        ),
    ),
)
