"""Answers in our own words: nobody outside was asked, or nobody answered."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

SECTION = Section(
    title="This subsystem",
    entries=(
        entry(
            "provider-not-configured",
            Category.CONFIGURATION,
            Retry.NO,
            "The email's provider is not configured any more",
            "The email was accepted for a provider that has no settings now.",
            "Configure it again (for SMTP: `smtp_server`), or cancel the email and send it through another provider.",
            Match(text=(r"^the provider \S+ is not configured",)),
        ),
        entry(
            "content-gone",
            Category.CONTENT,
            Retry.NO,
            "The email's content is gone from the storage",
            "Its record is there but the message itself was deleted, by a rule or a person outside this subsystem.",
            "See which lifecycle rule or script deletes blobs or rows of the storage account; send the email anew.",
            Match(text=(r"^the content is gone from the storage",)),
        ),
        entry(
            "storage-not-readable",
            Category.TRANSIENT,
            Retry.SOON,
            "The email's content could not be read from the storage",
            "The storage account did not answer in time. The email waits and is tried again.",
            "Nothing, if it passes. Else see the storage account's health and firewall in the Azure portal.",
            Match(
                text=(
                    r"^the content could not be read from the storage",
                    r"^the storage did not answer before the email was handed over",
                )
            ),
        ),
        entry(
            "delivery-on-hold",
            Category.CONFIGURATION,
            Retry.NO,
            "No mail is sent: it is held",
            "The parameter `delivery_mode` is `hold`, as in an environment for tests. The email waits, and "
            "expires when its time is over.",
            "Set `delivery_mode` to `live` or `redirect`: what waits goes within five minutes.",
            Match(text=(r"^delivery_mode is hold",)),
        ),
        entry(
            "distributor-off",
            Category.CONFIGURATION,
            Retry.NO,
            "Batch mail waits: the distributor is off",
            "An administrator has switched the distributor off. Interactive mail goes all the same.",
            'Switch it on: `PATCH /api/distributor` with `{"enabled": true}`.',
            Match(text=(r"^the distributor is switched off",)),
        ),
        entry(
            "distributor-over",
            Category.CONFIGURATION,
            Retry.NO,
            "Batch mail waits: the distributor's last run is over",
            "The distributor's recurrence has come to its end. What the last run released is sent, and interactive "
            "mail goes all the same.",
            "Let the recurrence end later or never: `PATCH /api/distributor` with "
            '`{"recurrence": {"every_minutes": 0}}` sends mail as it comes, and with '
            '`{"recurrence": {"every_minutes": 15}}` every 15 minutes, without an end.',
            Match(text=(r"^the distributor's last run is over",)),
        ),
        entry(
            "distributor-next-run",
            Category.CONFIGURATION,
            Retry.LATER,
            "Batch mail waits for the distributor's next run",
            "The distributor sends every so many minutes, and not as mail comes.",
            "Nothing. `GET /api/distributor` tells when the next run is; with `every_minutes` 0 mail goes as it comes.",
            Match(text=(r"^the distributor sends with its next run",)),
        ),
        entry(
            "answer-lost",
            Category.TRANSIENT,
            Retry.SOON,
            "The answer was lost: nobody knows whether it was sent",
            "The message had been handed over when the connection broke, the time was over or the worker ended, before "
            "the answer was there or recorded.",
            "Nothing at first: Graph and Exchange Server are asked whether they sent it. Where they cannot say, and "
            "with SMTP, the parameter `unconfirmed_policy` says what happens: sent again with the same Message-ID, or "
            "held until you decide (`POST /api/emails/{id}/resend` or `/mark-sent`).",
            Match(
                text=(
                    r"^the answer to the content was lost|^the provider did not finish within the lease",
                    r"nobody knows whether the last attempt sent it|^the worker that had claimed it ended",
                    r"^the provider cannot tell yet whether",
                )
            ),
        ),
        entry(
            "put-aside",
            Category.TRANSIENT,
            Retry.SOON,
            "The functions host gave the email up several times",
            "Answering its doorbell failed again and again, for instance because the app ran out of memory.",
            "Look into the log (Application Insights) at the time of the attempt: the cause is there.",
            Match(text=(r"^answering its doorbell failed",)),
        ),
        entry(
            "internal-error",
            Category.UNKNOWN,
            Retry.SOON,
            "Something went wrong inside this subsystem",
            "A provider failed in a way that it should not. The log of that time says where.",
            "Look into the log (Application Insights) for the email's id, and report what it says.",
            Match(text=(r"^internal error:",)),
        ),
        entry(
            "smtp-public-without-proof",
            Category.CONFIGURATION,
            Retry.NO,
            "The server has a public address, and the connection to it would not be safe",
            "Its certificate is not to be checked, or a password would go over it in clear text. Both are allowed only "
            "for an address of this machine or of a private network.",
            "Set `smtp_verify_certificate` to true and `smtp_security` to starttls or tls; a private authority's "
            "certificate goes to `smtp_certificate_authority`.",
            Match(text=(r"^the server has a public address",)),
        ),
        entry(
            "taken-over",
            Category.TRANSIENT,
            Retry.SOON,
            "Another worker has the email now",
            "This one took so long that its lease was over; it sent nothing.",
            "Nothing: the other worker sends it.",
            Match(text=(r"^another worker has it now",)),
        ),
        entry(
            "test-email-without-sender",
            Category.CONFIGURATION,
            Retry.NO,
            "A test email needs a sender",
            "Nobody is named that it could come from: the parameter `default_sender` is not set or no address, and the "
            "account that signs in is no address either.",
            "Set `default_sender` to an address that the provider may send from: `PATCH /api/parameters`.",
            Match(text=(r"^default_sender ",)),
        ),
        entry(
            "smtp-connections-busy",
            Category.THROTTLING,
            Retry.SOON,
            "All connections to the mail server are in use",
            "The email had to wait longer than it may for a free connection. It is tried again.",
            "If it happens often, raise `smtp_max_connections`, where the server allows more.",
            Match(text=(r"^all connections to the server are busy",)),
        ),
    ),
)
