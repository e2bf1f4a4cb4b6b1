"""The message itself: what scanners and rules make of it (facts/smtp.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

SECTION = Section(
    title="SMTP: the content",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-utf8-not-supported",
            Category.CONTENT,
            Retry.NO,
            "An address or header needs SMTPUTF8, which the server does not offer",
            "Letters beyond ASCII before the @ of an address reach only servers that support internationalized mail.",
            "Use another address of the sender or recipient, in plain letters. Names and subjects are not the cause: "
            "they are encoded.",
            Match(text=(r"smtputf8|internationali[sz]ed|non-ascii|utf-?8 (?:\S+ )?(?:address|required|not)",)),
            Match(enhanced=("5.6.7", "5.6.8", "5.6.9", "5.6.10")),
        ),
        entry(
            "smtp-8bit-not-supported",
            Category.CONTENT,
            Retry.NO,
            "The message has octets beyond ASCII, which the server does not take",
            "It was handed in as finished MIME in 8 bits, and the server does not offer 8BITMIME. Mail built here "
            "never has them.",
            "Let the program that makes it encode its text as quoted-printable or base64, or send through a server "
            "that offers 8BITMIME, as nearly all do.",
            Match(text=(r"^the server does not offer 8bitmime",)),
        ),
        entry(
            "smtp-virus",
            Category.CONTENT,
            Retry.NO,
            "The server takes the message for dangerous",
            "A scanner found a virus, or something that looks like one, in an attachment or link.",
            "Scan what the app attaches. If it is clean, send a link, or ask the receiving administrator.",
            Match(only=5, text=(r"\bvirus|malware|\binfect\w*|trojan|phish\w*|clamav",)),
        ),
        entry(
            "smtp-attachment-refused",
            Category.CONTENT,
            Retry.NO,
            "The server does not take an attachment of this kind",
            "Programs, scripts, archives with a password and the like are stopped by many servers.",
            "Send a link in its place, or another kind of file.",
            Match(
                text=(
                    r"(?:blocked|illegal|forbidden|banned|dangerous|prohibited) (?:\S+ ){0,2}(?:attachment|file)",
                    r"attachments?(?: \S+){0,5} (?:blocked|not|rejected|prohibited|forbidden|banned|refused)",
                    r"content presents a potential|potential security issue",
                )
            ),
        ),
        entry(
            "smtp-content-invalid",
            Category.CONTENT,
            Retry.NO,
            "The message is not built as the server wants it",
            "A header is missing, doubled or malformed, a line is too long, or a part has a form that is not taken.",
            "For mail handed in as finished MIME: mend the program that makes it. For mail built here: report it with "
            "the message (`GET /api/emails/{id}/eml`).",
            Match(
                text=(
                    r"bare (?:<?lf>?|<?cr>?|line ?feed|newline|carriage)|bare ?linefeeds",
                    r"line (?:is )?too long|line length",
                    r"(?:invalid|missing|duplicate|multiple|malformed|bad|illegal|disallowed)(?: \S+){0,4} header",
                    r"header error",
                    r"rfc ?-?(?:2822|5322|822)|message is malformed",
                    r"mime (?:\S+ )?(?:error|invalid|malformed)|expected mime|message-id: header",
                )
            ),
            Match(enhanced=("5.6.*",)),
            Match(enhanced=("5.7.512",)),
        ),
        entry(
            "smtp-spam",
            Category.CONTENT,
            Retry.NO,
            "The server takes the message for spam",
            "Its filter did not like the words, the links or the form of the message.",
            "Send the same to an address of your own and read the filter's headers. Use plain links to your own "
            "domain, give a text part beside the HTML, and see that SPF, DKIM and DMARC pass. Else ask the receiving "
            "administrator to allow the sender.",
            Match(
                text=(
                    r"\bspam\w*|unsolicited|bulk e?-?mail|junk mail|\b(?:uribl|surbl)\b|blacklisted url",
                    r"message(?: \S+){0,3} (?:reject\w*|denied|refused)(?: \S+){0,3} (?:content|filter\w*)",
                    r"content (?:filter |has been |was |is )?(?:reject\w*|denied|refused|not accept\w*)",
                    r"rejecting (?:mail|banned) content|message (?:was )?filtered",
                )
            ),
        ),
        entry(
            "smtp-policy-refusal",
            Category.BLOCKED,
            Retry.NO,
            "A rule of the receiving side refuses the message",
            "The server says that it is not allowed, and no more: a rule of its administrator stands against the "
            "sender, the recipient or the content.",
            "Ask the receiving administrator, with the reply and its time. In your own organization: Exchange admin "
            "centre > Mail flow > Rules, and Message trace.",
            Match(
                text=(
                    r"(?:policy|security|administrative|local) (?:reasons?|prohibition|violation|rejection|polic\w+)",
                    r"policy restrictions?",
                    r"(?:denied|rejected|prohibited|refused|restricted) (?:by|due to) (?:\S+ ){0,2}polic\w+",
                    r"delivery not authori[sz]ed",
                )
            ),
            Match(only=5, enhanced=("5.7.0", "5.7.1")),
        ),
    ),
)
