"""Exchange Web Services of an Exchange Server (facts/ews-and-pop3.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

SECTION = Section(
    title="Exchange Server (EWS)",
    providers=("exchange",),
    entries=(
        entry(
            "exchange-online-has-no-ews",
            Category.CONFIGURATION,
            Retry.NO,
            "Exchange Online does not take mail through EWS",
            "Exchange Web Services of Exchange Online are blocked since October 2026 and end on 1 April 2027.",
            "Send through Microsoft Graph: set `graph_credential`, and `batch_provider` to graph "
            "(docs/how-to/register-graph-app.md). The provider exchange is for an Exchange Server of your own alone.",
            Match(
                text=(
                    r"exchange online",
                    r"ews(?: \S+){0,4} (?:blocked|disabled|retired|not (?:enabled|allowed))|ewsenabled",
                )
            ),
        ),
        entry(
            "exchange-impersonation-denied",
            Category.CONFIGURATION,
            Retry.NO,
            "The account may not send in the name of other mailboxes",
            "It lacks the role ApplicationImpersonation for the sender's mailbox.",
            "Exchange Management Shell: `New-ManagementRoleAssignment -Role ApplicationImpersonation -User <account>`, "
            "with `-CustomRecipientWriteScope <scope>` for some mailboxes alone. Or set `exchange_impersonation` to "
            "false and give the account full access to each mailbox.",
            Match(
                names=(
                    *("ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"),
                    *("ErrorCallerIsInvalidADAccount", "ErrorProxyRequestNotAllowed"),
                )
            ),
        ),
        entry(
            "exchange-account-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "The account is disabled or its password has expired",
            "Exchange Server knows the account but does not let it sign in as it is.",
            "Have it enabled or its password changed in Active Directory, then enter the password: "
            "`PUT /api/secrets/exchange-password`.",
            Match(names=("ErrorAccountDisabled", "ErrorPasswordExpired", "ErrorPasswordChangeRequired")),
        ),
        entry(
            "exchange-sign-in-page",
            Category.CONFIGURATION,
            Retry.NO,
            "A sign-in page stands in front of Exchange Web Services",
            "A proxy or the mobile access of a firewall asks for a password in a form, which no program fills in. It "
            "handed nothing on to the server.",
            "Have the path /EWS excluded from signing in by form there (pre-authentication), or give the server's own "
            "address in `exchange_server`.",
            Match(text=(r"sign-in page stands in front of",)),
        ),
        entry(
            "exchange-credentials-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "Exchange Server does not accept the user name and password",
            "One of them is wrong, or the server does not take this way of signing in (Basic, NTLM, OAuth).",
            "Enter the password again: `PUT /api/secrets/exchange-password`. Give `exchange_user_name` as DOMAIN\\name "
            "or as the principal name, and set `exchange_authentication` to a way that EWS offers: Exchange Management "
            "Shell, `Get-WebServicesVirtualDirectory | fl *auth*`.",
            Match(
                no_reply=True,
                text=(r"invalid credentials|unauthorizederror|log ?on failed|invalid user ?name or password",),
            ),
            Match(names=("ErrorMailboxLogonFailed", "ErrorInvalidClientSecurityContext")),
            Match(status=(401,)),
        ),
        entry(
            "exchange-access-denied",
            Category.CONFIGURATION,
            Retry.NO,
            "The account may not use the sender's mailbox",
            "It has neither full access to the mailbox nor the role to act for it.",
            "Exchange Management Shell: `Add-MailboxPermission -Identity <sender> -User <account> -AccessRights "
            "FullAccess`, or the role ApplicationImpersonation; `Get-CASMailbox <sender> | fl EwsEnabled`.",
            Match(names=("ErrorAccessDenied", "ErrorCreateItemAccessDenied", "ErrorCreateSubfolderAccessDenied")),
            Match(status=(403,)),
        ),
        entry(
            "exchange-sender-not-found",
            Category.CONFIGURATION,
            Retry.NO,
            "The sender has no mailbox on this server",
            "The address belongs to no mailbox, or the address of EWS is not the server's.",
            "Correct the sender (the request's `from`, `default_sender`, or `exchange_batch_mailbox`, where that is "
            "set): the mailbox's primary address. And open https://<server>/EWS/Exchange.asmx, with the server of "
            "`exchange_server`: it must ask for a sign-in.",
            Match(
                names=(
                    *("ErrorNonExistentMailbox", "ErrorMissingEmailAddress", "ErrorInvalidUserPrincipalName"),
                    *("ErrorInvalidSmtpAddress", "ErrorNonPrimarySmtpAddress", "ErrorMailboxConfiguration"),
                )
            ),
            Match(status=(404,)),
        ),
        entry(
            "exchange-not-found-by-autodiscover",
            Category.CONFIGURATION,
            Retry.NO,
            "Exchange Server was not found by Autodiscover",
            "The domain's Autodiscover record or service does not lead to the server.",
            "Give the server's address in `exchange_server`, so that Autodiscover is not needed.",
            Match(
                names=(
                    "AutoDiscoverFailed",
                    "ErrorAutoDiscoverFailed",
                    "AutoDiscoverError",
                    "AutoDiscoverCircularRedirect",
                )
            ),
        ),
        entry(
            "exchange-version-not-supported",
            Category.CONFIGURATION,
            Retry.NO,
            "Exchange Server does not understand the request's version",
            "The version in the parameters is newer than the server, or the server is older than 2010 SP2.",
            "Set `exchange_version` to the server's (2010 SP2 to 2019): Exchange Management Shell, `Get-ExchangeServer "
            "| fl AdminDisplayVersion`: 14 is 2010, 15.0 is 2013, 15.1 is 2016, 15.2 is 2019.",
            Match(names=("ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion", "ErrorSchemaValidation")),
            Match(names=("ErrorInvalidRequest", "ErrorInvalidSchemaVersionForMailboxVersion")),
        ),
        entry(
            "exchange-external-user",
            Category.CONFIGURATION,
            Retry.NO,
            "External users cannot send through Exchange Server",
            "The From address is of none of the domains in `exchange_domains`.",
            "Choose another provider for external users, or add the domain to `exchange_domains`.",
            Match(text=(r"^the sender is an external user",)),
        ),
        entry(
            "exchange-too-large",
            Category.SIZE,
            Retry.NO,
            "The message is too large for Exchange Web Services",
            "They take requests of 64 MB, in which the message is a third larger.",
            "Send large files through another provider, or as links.",
            Match(text=(r"exchange web services take \d+",)),
        ),
        entry(
            "exchange-throttled",
            Category.THROTTLING,
            Retry.SOON,
            "Exchange Server asks to slow down",
            "The account is over the server's throttling policy.",
            "Nothing, if it passes. Else raise it for the account: `New-ThrottlingPolicy`, `Set-Mailbox "
            "-ThrottlingPolicy`.",
            Match(names=("ErrorExceededConnectionCount", "ErrorTooManyRequests")),
            Match(status=(429,)),
        ),
    ),
)
