"""Microsoft Graph (facts/graph.md). The error code comes first, the HTTP status differs."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_REQUEST_PERMISSION = "Microsoft Entra admin centre > App registrations > your app > API permissions"

SECTION = Section(
    title="Microsoft Graph",
    providers=("graph",),
    entries=(
        entry(
            "graph-mailbox-not-in-scope",
            Category.CONFIGURATION,
            Retry.NO,
            "The application may not use this mailbox",
            "An application access policy, or RBAC for Applications, limits it to other mailboxes.",
            "Add the sender to the group that the application is limited to: Exchange Online PowerShell, "
            "`Add-DistributionGroupMember <group> -Member <sender>`. `Test-ServicePrincipalAuthorization <client id> "
            "-Resource <sender>` shows whether it may, `Get-ManagementScope` and `Get-ApplicationAccessPolicy` which "
            "group it is. It takes up to two hours to count.",
            Match(
                names=("ErrorAccessDenied", "AccessDenied"),
                text=(r"access ?policy|\braop\b|access to odata is disabled",),
            ),
            Match(text=(r"appon?ly access ?policy|\braop\b|access to odata is disabled",)),
        ),
        entry(
            "graph-access-denied",
            Category.CONFIGURATION,
            Retry.NO,
            "The application lacks the permission to send from this mailbox",
            "Graph knows the application, but it has no permission Mail.Send for the sender's mailbox, or nobody has "
            "consented to it. Large mail needs Mail.ReadWrite too.",
            f"{_REQUEST_PERMISSION}: add the application permission Mail.Send (and Mail.ReadWrite for large mail), "
            "then Grant admin consent. A managed identity has no such page: "
            "`infra/scripts/register-graph-app.sh --credential identity` does it. To let it use only some mailboxes, "
            "run it with `--mailboxes <group>` instead of the consent. See that the sender is right.",
            Match(names=("ErrorAccessDenied", "AccessDenied", "Authorization_RequestDenied", "ErrorForbidden")),
            Match(text=(r"insufficient privileges|access is denied\. check credentials",)),
            Match(status=(403,)),
        ),
        entry(
            "graph-token-expired",
            Category.CREDENTIALS,
            Retry.SOON,
            "Graph takes the access token for too old",
            "Tokens live about an hour; a new one is fetched for the next try.",
            "Nothing, if it passes. Else see that the clock of the machine is right.",
            Match(names=("InvalidAuthenticationToken", "AuthenticationError"), text=(r"expired|lifetime",)),
            Match(names=("TokenExpired", "ErrorTokenExpired")),
        ),
        entry(
            "graph-token-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "Graph does not accept the access token",
            "It was made for another service, tenant or cloud, or the application or sender is not known there.",
            "See that `graph_tenant_id`, `graph_client_id` and `graph_cloud` belong together and that the sender's "
            "mailbox is in this tenant.",
            Match(
                names=(
                    *("InvalidAuthenticationToken", "AuthenticationError", "Authorization_IdentityNotFound"),
                    *("UnauthenticatedRequest", "IdentityNotFound", "CompactToken", "InvalidMsaTicket"),
                )
            ),
            Match(status=(401,)),
        ),
        entry(
            "graph-mailbox-not-enabled",
            Category.CONFIGURATION,
            Retry.NO,
            "The sender's mailbox cannot be used through Graph",
            "It is disabled, inactive, soft-deleted, has no licence, or lives on an Exchange Server of your own.",
            "Give the user an Exchange Online licence or another sender; a mailbox on Exchange Server sends through "
            "the provider exchange or smtp.",
            Match(
                names=(
                    "MailboxNotEnabledForRESTAPI",
                    "MailboxNotSupportedForRESTAPI",
                    "MailboxNotHostedInExchangeOnline",
                    *("ErrorMailboxDisabled", "ErrorAccountDisabled", "ErrorInvalidLicense"),
                    *("ErrorMailboxConfiguration", "ErrorUserNotAllowedByPolicy"),
                )
            ),
            Match(text=(r"(?:mailbox|account|user) (?:is |has been )?(?:disabled|inactive)",)),
        ),
        entry(
            "graph-sender-not-found",
            Category.CONFIGURATION,
            Retry.NO,
            "There is no such sender in the tenant",
            "Graph finds no user or mailbox for the sender's address.",
            "Correct the sender (the request's `from`, `default_sender`, or `graph_batch_mailbox`, where that is set); "
            "it must be the principal name of a user with a mailbox in this tenant: an alias or a group is none.",
            Match(
                names=(
                    *("ResourceNotFound", "Request_ResourceNotFound", "ErrorInvalidUser", "MailboxNotFound"),
                    *("OrganizationFromTenantGuidNotFound", "ErrorUserNotFound", "UserNotFound"),
                    *("ErrorNonExistentMailbox", "ErrorNonPrimarySmtpAddress"),
                )
            ),
            Match(status=(404,)),
        ),
        entry(
            "graph-extension-error",
            Category.CONFIGURATION,
            Retry.NO,
            "An extension of the tenant refuses the request",
            "Something that is attached to Graph or the mailbox in this tenant answered in its place.",
            "See which policies and add-ins work on the sender's mailbox (Exchange admin centre > Mail flow > Rules), "
            "and ask Microsoft's support with the request-id of the answer.",
            Match(names=("extensionError",)),
        ),
        entry(
            "graph-mailbox-concurrency",
            Category.THROTTLING,
            Retry.SOON,
            "Too many requests at once for one mailbox",
            "Graph takes four at a time for an application and a mailbox.",
            "Nothing: the mail waits until one of them is answered. See what else uses the mailbox with the same "
            "application.",
            Match(text=(r"mailbox ?concurrency",)),
            Match(
                names=("ApplicationThrottled", "TooManyRequests", "ErrorTooManyRequests"),
                text=(r"mailbox ?concurrency",),
            ),
        ),
        entry(
            "graph-throttled",
            Category.THROTTLING,
            Retry.SOON,
            "Graph asks to slow down",
            "The application is over a limit: 10,000 requests in 10 minutes, or 150 MB in 5 minutes, for a mailbox.",
            "Nothing: the mail waits as long as Graph asks. If it happens often, spread the mail over several "
            "mailboxes.",
            Match(
                names=(
                    *("ApplicationThrottled", "TooManyRequests", "ErrorTooManyRequests", "RequestThrottled"),
                    *("activityLimitReached", "UserThrottled", "ThrottledRequest"),
                )
            ),
            Match(text=(r"application is over its \S+ limit",)),
            Match(status=(429,)),
        ),
        entry(
            "graph-upload-lost",
            Category.TRANSIENT,
            Retry.SOON,
            "The upload of a large message has to begin anew",
            "Graph does not know the draft yet, or the upload session any more.",
            "Nothing: a new draft is made.",
            Match(names=("ErrorItemNotFound", "invalidRange", "uploadSessionNotFound", "ErrorIrresolvableConflict")),
            Match(status=(409, 410, 412, 416)),
            Match(text=(r"^graph gave no address to upload to|^graph named no draft",)),
        ),
        entry(
            "graph-needs-drafts",
            Category.SIZE,
            Retry.NO,
            "The message is too large for the permission Mail.Send alone",
            "Graph takes about 2 MB in one request. Larger mail goes as a draft, which the application may not make.",
            f"{_REQUEST_PERMISSION}: add the application permission Mail.ReadWrite, then Grant admin consent; or run "
            "`infra/scripts/register-graph-app.sh` again with `--large-mail`, as for a managed identity. Then resend "
            "the email.",
            Match(
                names=("ErrorAccessDenied", "AccessDenied", "Authorization_RequestDenied", "ErrorForbidden"),
                text=(r"larger ones go as drafts",),
            ),
            Match(text=(r"larger ones go as drafts",)),
        ),
        entry(
            "graph-text-too-large",
            Category.SIZE,
            Retry.NO,
            "The message's text is too large for Graph",
            "A draft takes files of up to 150 MB, but its text and headers must fit into one request of about 2 MB. "
            "Signed and encrypted mail is one piece to it.",
            "Send what is so large as an attachment, or through another provider.",
            Match(text=(r"too large for a draft",)),
        ),
        entry(
            "graph-not-accepted",
            Category.UNKNOWN,
            Retry.SOON,
            "Graph answered, but did not accept the email",
            "Only 202 means that it was accepted. Other successes have been seen with nothing sent.",
            "Look for the email in the sender's Sent Items. If it happens with large mail, grant Mail.ReadWrite, so "
            "that it goes through a draft.",
            Match(status=(200, 201, 203, 204)),
        ),
    ),
)
