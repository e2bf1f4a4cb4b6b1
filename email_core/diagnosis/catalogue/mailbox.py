"""Answers that Graph and Exchange Web Services share: the codes of an Exchange mailbox (facts/graph.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

SECTION = Section(
    title="Graph and Exchange Server: the mailbox",
    providers=("graph", "exchange"),
    entries=(
        entry(
            "mailbox-send-as-denied",
            Category.CONFIGURATION,
            Retry.NO,
            "The mailbox may not send as this sender",
            "The From address is another than the mailbox's own, and the mailbox has no right to send as it.",
            "Exchange Online PowerShell: `Add-RecipientPermission -Identity <sender> -Trustee <mailbox> -AccessRights "
            "SendAs`; on a server of your own, in the Exchange Management Shell: `Add-ADPermission -Identity <sender's "
            "name> -User <mailbox> -ExtendedRights 'Send As'`; or on both `Set-Mailbox <sender> -GrantSendOnBehalfTo "
            "@{Add='<mailbox>'}`. It takes up to an hour to count.",
            Match(names=("ErrorSendAsDenied",)),
            Match(text=(r"send ?as ?denied|right to send (?:mail )?(?:on behalf|as)",)),
        ),
        entry(
            "mailbox-invalid-recipients",
            Category.RECIPIENT,
            Retry.NO,
            "A recipient's address is not valid",
            "At least one address cannot be delivered to, so the whole email was refused.",
            "Correct the address where it comes from, then send the email anew.",
            Match(
                names=(
                    *("ErrorInvalidRecipients", "ErrorMissingRecipients", "ErrorMailRecipientNotFound"),
                    *("ErrorInvalidRoutingType", "ErrorInvalidMailbox", "ErrorInvalidEmailAddress"),
                )
            ),
            Match(text=(r"recipient(?: \S+){0,3} (?:not valid|isn't valid|invalid)",)),
        ),
        entry(
            "mailbox-message-too-large",
            Category.SIZE,
            Retry.NO,
            "The message is too large",
            "It is over the mailbox's limit, or over what one request may hold (4 MB for Graph).",
            "Large mail through Graph needs the permission Mail.ReadWrite, for an upload in parts. Raise the mailbox's "
            "limit (`Set-Mailbox <mailbox> -MaxSendSize 150MB`), or lower `attachment_size_limit` to it.",
            Match(
                names=(
                    *("ErrorMessageSizeExceeded", "ErrorAttachmentSizeLimitExceeded", "ErrorDataSizeLimitExceeded"),
                    *("RequestEntityTooLarge", "RequestTooLarge", "PayloadTooLarge", "maxMessageSizeExceeded"),
                )
            ),
            Match(
                text=(
                    r"maximum request length|request entity too large",
                    r"(?:message|request|attachment)(?: \S+){0,5} too large",
                )
            ),
            Match(status=(413,)),
        ),
        entry(
            "mailbox-full",
            Category.SENDER_QUOTA,
            Retry.LATER,
            "The sending mailbox is full",
            "It has no room for the draft or the copy in Sent Items.",
            "Make room, give it an archive or a larger quota, or keep no copy of what is sent: "
            "`graph_save_to_sent_items` or `exchange_save_to_sent_items` = false.",
            Match(names=("ErrorQuotaExceeded", "quotaLimitReached", "insufficientStorage", "ErrorOverQuota")),
            Match(
                text=(
                    r"exceeded (?:its |the )?maximum mailbox size|mailbox (?:is )?full",
                    r"mailbox(?: \S+){0,3} quota",
                )
            ),
            Match(status=(507,)),
        ),
        entry(
            "mailbox-sending-quota",
            Category.SENDER_QUOTA,
            Retry.LATER,
            "The mailbox has sent as much as it may for now",
            "Exchange limits messages and recipients: 30 messages a minute and 10,000 recipients a day for a mailbox "
            "of Exchange Online.",
            "The mail waits and is tried again hours later. Spread it over the day or over several mailboxes, or use a "
            "service made for bulk (High Volume Email, Azure Communication Services).",
            Match(
                names=(
                    *("ErrorExceededMessageLimit", "ErrorExceededMaxRecipientLimit", "ErrorExceededHourlyMessageLimit"),
                    *("ErrorSubmissionQuotaExceeded", "ErrorExceededDailyMessageLimit", "ErrorExceededHourlyLimit"),
                    *("ErrorExceededDailyRecipientLimit", "ErrorExceededRecipientLimit"),
                )
            ),
            Match(text=(r"submission ?quota|(?:daily|hourly) (?:\S+ ){0,3}limit",)),
        ),
        entry(
            "mailbox-sender-blocked",
            Category.BLOCKED,
            Retry.LATER,
            "The mailbox is blocked from sending",
            "Too much of what it sent looked like spam: it may have been taken over, or is new.",
            "Find out who sends with it, change its credentials, then release it: Microsoft Defender portal > Email & "
            "collaboration > Review > Restricted entities (https://security.microsoft.com/restrictedentities).",
            Match(
                names=(
                    *("ErrorAccountSuspend", "ErrorAccountSuspendShowTierUpgrade", "ErrorMessageBlocked"),
                    *("ErrorMessageSubmissionBlocked", "ErrorExceededMaxRecipientLimitBlock"),
                    *("ErrorExceededMessageLimitShowTierUpgrade", "ErrorExceededMaxRecipientLimitShowTierUpgrade"),
                )
            ),
            Match(text=(r"account (?:has been |is )?(?:suspended|blocked)|outbound ?spam|wascl",)),
        ),
        entry(
            "mailbox-content-refused",
            Category.CONTENT,
            Retry.NO,
            "The message is not built as Exchange wants it",
            "The MIME, or a header or part of it, cannot be read.",
            "For mail handed in as finished MIME: mend the program that makes it. For mail built here: report it with "
            "the message (`GET /api/emails/{id}/eml`).",
            Match(
                names=(
                    *(
                        "ErrorMimeContentInvalidBase64String",
                        "ErrorMimeContentInvalid",
                        "ErrorMimeContentConversionFailed",
                    ),
                    *("ErrorContentConversionFailed", "ErrorInvalidInternetHeader", "InvalidInternetMessageHeader"),
                    *("ErrorInvalidInternetHeaderName", "ErrorPropertyValidationFailure", "ErrorMessageTooComplex"),
                )
            ),
            Match(
                text=(
                    r"(?:base64|base-64)(?: \S+){0,3} (?:invalid|not valid)|invalid base-?64",
                    r"internet message header",
                )
            ),
        ),
        entry(
            "mailbox-busy",
            Category.TRANSIENT,
            Retry.SOON,
            "The server or the mailbox is busy, or being moved",
            "It asks to try again.",
            "Nothing, if it passes: the mail waits and is tried again. Else see https://status.cloud.microsoft, or the "
            "health of your own Exchange Server.",
            Match(
                names=(
                    *("ErrorServerBusy", "ErrorTimeoutExpired", "ErrorMailboxStoreUnavailable"),
                    *("ErrorMailboxMoveInProgress", "ErrorInternalServerTransientError", "ErrorInternalServerError"),
                    *("ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorInsufficientResources"),
                    *("ErrorNotEnoughMemory", "ErrorADUnavailable", "ErrorADOperation", "ErrorBatchProcessingStopped"),
                    *("ErrorDataSourceOperation", "ErrorClientDisconnected", "ErrorNoRespondingCASInDestinationSite"),
                    *(
                        "ServiceUnavailable",
                        "serviceNotAvailable",
                        "GatewayTimeout",
                        "ServerBusy",
                        "InternalServerError",
                    ),
                )
            ),
            Match(status=(408, 425, 500, 502, 503, 504, 509)),
        ),
    ),
)
