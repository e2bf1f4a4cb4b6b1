"""Whether a server takes mail from this side at all: relaying, block lists, greylisting, policy (facts/smtp.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_LISTS = (
    r"spamhaus|spamcop|\bsorbs\b|barracudacentral|uceprotect|abuseat|abusix|invaluement|senderscore|\bdnsbl|"
    r"\b(?:rbl|sbl|xbl|pbl|css)\b|(?:block|black|deny|reject)[ -]?list(?!ed url)\w*|\bs31[45]0\b"
)

SECTION = Section(
    title="SMTP: relaying and trust",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-relay-denied",
            Category.CONFIGURATION,
            Retry.NO,
            "The server does not relay mail to this recipient for us",
            "It takes mail for its own domains from everybody, and for others only from those that signed in or that "
            "its administrator allowed.",
            "Set `smtp_user_name` and the password (`PUT /api/secrets/smtp-password`), or let the server's "
            "administrator allow the app's outbound address. Exchange Online: Exchange admin centre > Mail flow > "
            "Connectors, with the app's static address or a certificate.",
            Match(
                enhanced=("5.7.1", "4.7.1", "5.7.0", "5.4.1"),
                text=(r"\brel(?:ay|ais)(?!\w* (?:\S+ )?(?:limit|quota))|client was not authenticated",),
            ),
            Match(
                text=(
                    r"relay\w*(?: \S+){0,3} (?:denied|not (?:permitted|allowed)|prohibited|refused|disallowed)",
                    r"(?:unable|not (?:permitted|allowed|authori[sz]ed|configured)) to relay",
                    r"(?:no|not|cannot|can't|as a) relay",
                    r"rcpt ?hosts|not an? (?:open )?(?:relay|gateway)|tenantattribution",
                )
            ),
            Match(enhanced=("5.7.54", "5.7.64", "5.7.51")),
        ),
        entry(
            "smtp-listed",
            Category.BLOCKED,
            Retry.NO,
            "The sending address or domain is on a block list",
            "The receiving server asks a public list (Spamhaus, SpamCop, Barracuda, Microsoft's own, ...) and finds "
            "it.",
            "The answer names the list: look the address up there and ask for removal, after the reason is mended. "
            "Microsoft's list: https://sender.office.com. Send through a mail service in the place of an address in a "
            "cloud's range.",
            Match(
                text=(
                    _LISTS,
                    r"(?:is|are|was|ip|address|host|domain)(?: \S+){0,2} listed (?:in|at|by|on)",
                    r"blocked using|network is on our",
                )
            ),
        ),
        entry(
            "smtp-ehlo-name-refused",
            Category.CONFIGURATION,
            Retry.NO,
            "The server does not like the name that we introduce ourselves with",
            "The name in EHLO is no full host name, or cannot be found in DNS.",
            "Set `smtp_local_hostname` to a full name that exists in DNS, such as mail.contoso.com.",
            Match(
                text=(
                    r"\b(?:helo|ehlo)\b(?: \S+){0,4} (?:rejected|refused|denied|invalid|bad|not|requires?|mismatch)",
                    r"(?:bad|invalid|illegal|bogus|fake) (?:\S+ )?(?:helo|ehlo)",
                )
            ),
            Match(status=(501, 504, 550, 553, 554), stages=("ehlo",)),
            Match(status=(501, 504, 550, 553, 554), stages=("ehlo",), enhanced=("5.5.2", "5.5.4", "5.7.1", "5.0.0")),
            Match(enhanced=("5.7.506",)),
        ),
        entry(
            "smtp-greylisted",
            Category.TRANSIENT,
            Retry.SOON,
            "Greylisted: the server takes mail from strangers at the second try",
            "A server that does not know the sender yet defers the first try, since most spammers make no second one.",
            "Nothing: it is tried again in minutes.",
            Match(only=4, text=(r"gr[ae]y[ -]?list|postgrey|first[ -]time sender",)),
            Match(enhanced=("4.*",), text=(r"gr[ae]y[ -]?list",)),
        ),
        entry(
            "smtp-poor-reputation",
            Category.BLOCKED,
            Retry.NO,
            "The sending address or domain has a poor reputation",
            "The receiving side has seen too much unwanted mail from it, or has never seen it before.",
            "Send less and only to those who want it, see that SPF, DKIM and DMARC are right, and let it grow slowly. "
            "Send through a mail service in the place of an address in a cloud's range.",
            Match(
                text=(
                    r"reputation|suspicious (?:due|because)|user complaints|unwanted (?:messages|mail)",
                    r"dynamic(?:ally)? (?:\S+ )?(?:ip|address)|residential|dial-?up|from dynamic",
                    r"(?:your|sending) (?:ip|server|host|network|mta)(?: \S+){0,4} (?:blocked|banned|rejected|refused)",
                    r"client host (?:is )?(?:rejected|blocked|banned|refused)|host network not allowed",
                )
            ),
        ),
        entry(
            "smtp-connection-not-wanted",
            Category.BLOCKED,
            Retry.NO,
            "The server takes no mail from this address, or at all",
            "It refused the connection before anything was said.",
            "See that `smtp_server` and `smtp_port` are those for submission (587), and not a server for incoming "
            "mail. Else ask its administrator to allow the app's outbound address.",
            Match(
                text=(
                    r"no smtp service|host does not accept (?:any )?(?:mail|smtp)",
                    r"not accepting connections|not allowed to connect|not accepting (?:mail|messages) from",
                )
            ),
            Match(status=(521, 550, 553, 554, 556, 571), stages=("connect",)),
            Match(status=(521, 550, 553, 554, 556, 571), stages=("connect",), enhanced=("5.3.2", "5.5.0", "5.0.0")),
        ),
    ),
)
