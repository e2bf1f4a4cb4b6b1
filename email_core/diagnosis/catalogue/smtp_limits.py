"""Limits of size, of how many, and of how fast (facts/smtp.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_CHANGE_RATE = "Lower `smtp_max_connections`; ask the service for a higher rate, or send in smaller portions."

SECTION = Section(
    title="SMTP: limits",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-message-too-large",
            Category.SIZE,
            Retry.NO,
            "The message is too large for the server",
            "With its attachments, which grow by a third on the way, it is over a limit of the server or the "
            "recipient.",
            "Send a link in the place of large attachments. Lower `attachment_size_limit` to the server's limit, so "
            "that such mail is refused at once. Exchange Online: `Set-Mailbox <mailbox> -MaxSendSize 150MB`.",
            Match(
                text=(
                    r"message(?: \S+){0,3} (?:too (?:large|big|long)|larger than)",
                    r"(?:exceed\w*|over|above)(?: \S+){0,7} (?:message|header|mail) (?:\S+ )?size",
                    r"(?:message|mail|e-?mail)(?:'s)? size(?: \S+){0,3} (?:exceed\w*|limit|too)",
                    r"maximum (?:\S+ )?message size|message exceeds|recipsizelimit",
                    r"takes \d+ octets \(size\)|message length exceeds|(?<!mailbox )\bsize limit",
                )
            ),
            Match(enhanced=("x.3.4", "x.2.3", "5.7.1"), text=(r"too (?:large|big)\b|size (?:limit )?exceed\w*",)),
            Match(enhanced=("x.3.4", "x.2.3")),
            Match(status=(552,), stages=("mail", "data")),
            Match(status=(552,), stages=("mail", "data"), enhanced=("5.0.0", "5.2.0", "5.3.0")),
        ),
        entry(
            "smtp-recipient-rate",
            Category.THROTTLING,
            Retry.LATER,
            "The recipient gets more mail than its server allows in an hour",
            "A recipient's mailbox takes a limited number of messages an hour, from everybody or from one sender.",
            "Nothing: it is tried again after an hour. Gather notifications to one person into fewer emails.",
            Match(
                text=(
                    r"message receive limit",
                    r"receiving (?:e?-?mail|messages)(?: \S+)? (?:too (?:quickly|fast)|at a rate)",
                    r"recipient has exceeded(?: \S+){0,3} (?:limit|number)",
                )
            ),
            Match(enhanced=("x.2.121", "x.2.122")),
        ),
        entry(
            "smtp-sending-quota",
            Category.SENDER_QUOTA,
            Retry.LATER,
            "The account has sent as much as it may for now",
            "The service limits messages or recipients an hour or a day: 10,000 recipients a day for an Exchange "
            "Online mailbox, 500 to 2,000 messages for Gmail, about 500 for Yahoo! Mail. The recipients are not to "
            "blame.",
            "The mail waits and is tried again hours later. Spread it over the day or over several accounts, or use a "
            "service made for bulk (High Volume Email, Azure Communication Services). If nobody sent so much, change "
            "the account's password.",
            Match(text=(r"submission ?quota",)),
            Match(enhanced=("5.2.0", "x.2.2"), text=(r"submission ?quota",)),
            Match(
                text=(
                    r"(?:daily|hourly|monthly|24[ -]?hours?)(?: \S+){0,4} (?:limit|quota|allowance)",
                    r"(?:limit|quota|allowance)(?: \S+){0,5} (?:per|each|an?|this|for the) (?:day|hour|month|24)",
                    r"(?:messages?|e-?mails?|recipients?)(?: \S+){0,4} per (?:day|hour)",
                    r"external recipient rate limit",
                    r"(?:sending|outgoing|outbound|messaging|relay(?:ing)?) (?:\S+ )?(?:limit|quota)(?! size)",
                    r"exceeded (?:\S+ ){0,4}(?:sending|outgoing|messaging|mail|e-?mail) (?:\S+ )?(?:limit|quota)",
                    r"refuse ?quota|credits exceeded|you(?:'ve| have)? reached (?:\S+ ){0,3}limit",
                    r"too many (?:messages?|e-?mails?|recipients?)(?: \S+){0,2} (?:this|per|an?|to) ?(?:hour|day)",
                )
            ),
            Match(stages=("mail",), text=(r"over (?:\S+ )?quota",)),  # before any recipient was named
            Match(enhanced=("5.1.90", "5.4.5", "5.7.232-233", "5.7.236")),
        ),
        entry(
            "smtp-too-many-recipients",
            Category.SIZE,
            Retry.NO,
            "The message has more recipients than the server takes at once",
            "The rest needs a transaction, or an email, of its own.",
            "Send it as several emails with fewer recipients each, or to a distribution group. Exchange Online: "
            "`Set-Mailbox <mailbox> -RecipientLimits 1000`.",
            Match(text=(r"too many recipients|number of recipients|recipients? (?:count|limit)",)),
            Match(enhanced=("x.5.3",)),
        ),
        entry(
            "smtp-sender-concurrency",
            Category.THROTTLING,
            Retry.SOON,
            "Too many connections at once for this mailbox",
            "Exchange Online takes three at a time for a mailbox, counted over everything that signs in with it.",
            "Lower `smtp_max_connections` (it counts for each instance of the app), and see what else sends with the "
            "same account.",
            Match(text=(r"sender thread limit|storedrv\.clientsubmit",)),
            Match(enhanced=("x.3.2",), text=(r"sender thread limit|storedrv\.clientsubmit",)),
        ),
        entry(
            "smtp-recipient-concurrency",
            Category.TRANSIENT,
            Retry.SOON,
            "The recipient's mailbox gets too much at once",
            "Exchange delivers a limited number of messages to one mailbox at the same time.",
            "Nothing: it is tried again in minutes.",
            Match(text=(r"recipient thread limit",)),
            Match(enhanced=("x.3.2",), text=(r"recipient thread limit|storedrv\.deliver",)),
        ),
        entry(
            "smtp-too-many-connections",
            Category.THROTTLING,
            Retry.SOON,
            "Too many connections to the server at once",
            "The server limits connections from one address or account, at once or in a minute.",
            _CHANGE_RATE,
            Match(
                text=(
                    r"too many (?:\S+ ){0,2}(?:connections?|sessions?)",
                    r"concurrent (?:\S+ )?(?:connection|session)s?",
                    r"connection (?:rate|count|limit|frequency)|number of (?:\S+ )?connections",
                    r"connect\w* too (?:often|fast|frequently)",
                )
            ),
        ),
        entry(
            "smtp-rate-limited",
            Category.THROTTLING,
            Retry.SOON,
            "The server wants mail more slowly",
            "Too much came in a short time, from this account, this address, or this connection.",
            _CHANGE_RATE,
            Match(
                text=(
                    r"throttl\w*|rate[ -]?limit\w*|(?:sending|message|mail|transmission) rate|unusual rate",
                    r"slow(?:ing)? down|slower|frequency limited|exceeded (?:\S+ ){0,3}rate|unexpected volume",
                    r"too (?:much|many) (?:mail|messages?|e-?mails?|requests?|commands)|too (?:fast|quickly|rapidly)",
                    r"max(?:imum)? messages? per connection|\[tss?\d\d\]",
                )
            ),
            Match(enhanced=("x.7.28", "4.7.500-699")),
            Match(enhanced=("4.7.500-699",), text=(r"busy|try again",)),
        ),
    ),
)
