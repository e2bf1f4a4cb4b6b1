"""The sender: who may send as whom, and what the world makes of the sender's domain (facts/smtp.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_MAIL = ("mail",)
_BY_DNS = (r"\b(?:spf|dkim(?!-signature)|dmarc|sender policy framework)\b",)

SECTION = Section(
    title="SMTP: the sender",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-send-as-denied",
            Category.CONFIGURATION,
            Retry.NO,
            "The account may not send as this sender",
            "The From address is not that of the account that signs in, and the account has no permission to send as "
            "it.",
            "Exchange Online PowerShell: `Add-RecipientPermission -Identity <sender> -Trustee <smtp_user_name> "
            '-AccessRights SendAs` (on Exchange Server `Add-ADPermission ... -ExtendedRights "Send As"`). It takes up '
            "to an hour to count. Or send with the account's own address (`default_sender`).",
            Match(text=(r"send ?as ?denied",)),
            Match(enhanced=("5.2.0", "5.2.252", "5.7.60"), text=(r"send ?as ?denied",)),
            Match(
                text=(
                    r"(?:not have|without|no) permissions?(?: \S+)? send(?: \S+)? as",
                    r"not allowed to send(?: \S+)? as",
                )
            ),
            Match(enhanced=("5.7.60", "5.2.252")),
        ),
        entry(
            "smtp-domain-not-authenticated",
            Category.CONFIGURATION,
            Retry.NO,
            "The sender's domain fails SPF, DKIM or DMARC",
            "The receiving side checks in DNS whether this server may send for the domain, and it may not.",
            "In the DNS of the sender's domain: include the sending service in the SPF record, publish and switch on "
            "DKIM at the service (Microsoft Defender portal > Email authentication settings), and see that the From "
            "domain is the one that is signed (DMARC).",
            Match(only=5, text=_BY_DNS),
            Match(enhanced=("4.7.*",), text=_BY_DNS),
            Match(
                text=(
                    r"unauthenticated (?:e-?mail|message|mail)|authentication checks",
                    r"not authenticated(?: \S+){0,3} domain",
                )
            ),
            Match(enhanced=("5.7.20-24", "5.7.26-27", "5.7.29", "5.7.509", "5.7.515")),
        ),
        entry(
            "smtp-sender-not-allowed",
            Category.CONFIGURATION,
            Retry.NO,
            "The account may not use this sender address",
            "The server lets each account send with its own or verified addresses only.",
            "Send with an address that belongs to `smtp_user_name` (`default_sender`, the request's `from`), or let "
            "the server's administrator add this one to the account. With Amazon SES, SendGrid and the like: verify "
            "the address or its domain there.",
            Match(
                text=(
                    r"not owned by|sender (?:\S+ )?mismatch|identit(?:y|ies) failed the check",
                    r"from (?:\S+ )?must (?:be )?(?:equal|match|the same)",
                    r"does not match(?: \S+){0,2} (?:verified|authenticated|login)",
                    r"(?:email|sender|from)(?: \S+)?(?: is)? not (?:been )?(?:verified|allowed|permitted)\b",
                    r"not (?:authori[sz]ed|allowed|permitted) to (?:send|use)(?: \S+){0,3} (?:from|sender|behalf)",
                    r"must match (?:the )?authenticated|(?:perform|authori[sz]ed to) `?ses:send",
                    r"domain(?: \S+)? (?:is )?not allowed to send|domain not found or not verified",
                    r"domain is not verified",
                )
            ),
        ),
        entry(
            "smtp-sender-domain-unknown",
            Category.CONFIGURATION,
            Retry.NO,
            "The sender's domain cannot be found in DNS",
            "The server looks the From address's domain up and finds neither a mail server nor an address.",
            "Correct the sender address (`default_sender`, the request's `from`), or give its domain an MX or A "
            "record.",
            Match(
                text=(
                    r"sender (?:address )?rejected: (?:domain not found|malformed dns|need fully|nullmx)",
                    r"domain of sender address does not|(?:un)?resolvable (?:\S+ )?(?:sender|from)",
                    r"sender(?:'s)? domain(?: \S+){0,3} (?:not (?:exist|found|resolv\w*)|invalid|must exist|unknown)",
                    r"sender (?:verify|verification) failed",
                    r"(?:cannot|can't|could not|unable to) (?:verify|resolve) (?:\S+ )?sender",
                )
            ),
            Match(
                enhanced=("x.1.8",),
                text=(r"domain(?: \S+){0,4} (?:not (?:exist|found|resolv\w*)|unknown)|\bdns\b|resolv",),
            ),
            Match(enhanced=("4.1.8",)),
        ),
        entry(
            "smtp-sender-banned",
            Category.BLOCKED,
            Retry.LATER,
            "The sender is banned from sending",
            "Too much of what the account sent looked like spam: it may have been taken over. Exchange Online lists it "
            "as a restricted entity.",
            "Find out who sends with the account, change its password, then release it: Microsoft Defender portal > "
            "Email & collaboration > Review > Restricted entities (https://security.microsoft.com/restrictedentities). "
            "With other services ask their support.",
            Match(text=(r"bad outbound sender|banned sender|spam abuse detected",)),
            Match(enhanced=("5.2.0", "5.1.8"), text=(r"outbound ?spam ?exception|wascl user ?action",)),
            Match(
                text=(
                    r"(?:sending|relaying)(?: \S+){0,3} (?:paused|suspended|disabled|blocked)",
                    r"(?:your|sender|sending) account(?: \S+){0,4} (?:suspended|blocked|disabled|banned|on hold)",
                )
            ),
            Match(enhanced=("5.1.8", "5.7.501-503", "5.7.511", "5.7.800")),
        ),
        entry(
            "smtp-tenant-blocked",
            Category.BLOCKED,
            Retry.LATER,
            "Exchange Online has stopped the whole organization's sending",
            "Most of the tenant's mail looked suspicious, or it is new or a trial.",
            "See who sends what (Exchange admin centre > Mail flow > Message trace) and mend that, then let "
            "Microsoft's support lift the ban: Microsoft 365 admin centre > Help & support.",
            Match(
                text=(
                    r"tenant(?: \S+){0,3} (?:exceeded threshold|blocked|restricted|suspended)",
                    r"bad inbound connector",
                )
            ),
            Match(enhanced=("5.7.700-702", "5.7.704-705", "5.7.711")),
        ),
        entry(
            "smtp-address-not-accepted",
            Category.BLOCKED,
            Retry.LATER,
            "Mail is not accepted from this IP address",
            "The mail service or the recipient's does not trust the address that the mail comes from.",
            "With Exchange Online: ask Microsoft's support, or delist the address at https://sender.office.com. Send "
            "through a mail service instead of from an address in a cloud's range.",
            Match(
                text=(
                    r"not (?:currently )?accept(?:ed|ing)?(?: \S+){0,3} from (?:this|your|the) ip",
                    r"banned sending ip",
                )
            ),
            Match(enhanced=("5.7.507-508", "5.7.513", "5.7.606-649", "5.7.708")),
        ),
        entry(
            "smtp-domain-not-registered",
            Category.BLOCKED,
            Retry.LATER,
            "The sender's domain is not registered with Exchange Online",
            "Mail of domains that are not accepted domains of the tenant is stopped.",
            "Add and verify the sender's domain: Microsoft 365 admin centre > Settings > Domains.",
            Match(text=(r"unregistered domains?",)),
            Match(enhanced=("5.7.750",)),
        ),
        entry(
            "smtp-no-reverse-dns",
            Category.CONFIGURATION,
            Retry.NO,
            "The sending address has no host name in DNS",
            "The receiving server wants a PTR record (reverse DNS) for the address that the mail comes from.",
            "Send through a mail service or relay that has one, or let whoever owns the address set it. Azure's "
            "functions have none of their own.",
            Match(
                text=(
                    r"\bptr\b|\brdns\b|reverse[ -]?(?:dns|host ?name|lookup|mapping)|ip name lookup failed",
                    r"cannot find your (?:\S+ )?host ?name",
                )
            ),
            Match(enhanced=("5.7.25",)),
        ),
        entry(
            "smtp-sender-refused",
            Category.CONFIGURATION,
            Retry.NO,
            "The server refuses the sender address",
            "It is misspelt, does not exist at its own domain, or is not one that the server takes mail from.",
            "Correct the sender address: `default_sender`, or the request's `from`.",
            Match(
                text=(
                    r"sender (?:\S+ ){0,2}(?:is |was )?(?:rejected|refused|denied|invalid|not (?:valid|accepted))",
                    r"(?:invalid|bad|illegal|unknown|unroutable) sender|bogus mail from",
                    r"from: domain is invalid",
                )
            ),
            Match(
                stages=_MAIL,
                only=5,
                text=(r"(?:user|mailbox|account|address)(?: \S+){0,3} (?:unknown|not exist|not found|invalid)",),
            ),
            Match(enhanced=("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.1", "5.5.0"), stages=_MAIL),
            Match(enhanced=("5.1.7",)),
            Match(enhanced=("5.1.7",), text=(r"address|sender",)),
            Match(status=(501, 551, 553), stages=_MAIL),
            Match(status=(501, 551, 553), stages=_MAIL, enhanced=("5.0.0", "5.5.2", "5.5.4")),
        ),
    ),
)
