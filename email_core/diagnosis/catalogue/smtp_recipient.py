"""The recipient (facts/smtp.md). Where a server answers in another language, some of the usual words are known."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_RCPT = ("rcpt",)
_CORRECT = "Correct the address where it comes from, then send the email anew."

_WHO = r"(?:user|recipient|mailbox|account|e-?mail|address|alias|addressee|person|inbox|local[ -]?part)"
_GONE = (
    r"(?:unknown|unavailable|invalid|non-?existent|does(?:n't| not) exist|not exist|no longer (?:valid|here|available)|"
    r"(?:not|isn't) (?:found|known|valid|a valid|recogni[sz]ed|here|our|listed|on|available|present|local)|"
    r"could not be found)"
)
_UNKNOWN = (
    rf"\b{_WHO}(?:'s)?(?: \S+){{0,6}} {_GONE}",
    rf"(?:unknown|no such|non-?existent|invalid|no valid) (?:\S+ )?{_WHO}",
    r"no (?:mailbox|account|user) (?:here|by|with|at)",
    rf"(?:not an?|doesn't have an?) (?:\S+ ){{0,2}}{_WHO}|not our (?:customer|user)",
    r"no one (?:by|at) this|(?:bad|valid)rcptto|no longer accepts (?:mail|e-?mail)",
    r"recip(?:ient)?notfound|(?:un|no )rout(?:e)?able address",
    r"benutzer unbekannt|unbekannte[rn]? (?:benutzer|empf|adress)",
    r"empf(?:ä|ae)nger(?: \S+){0,3} (?:unbekannt|nicht)|adresse(?: \S+){0,3} (?:unbekannt|existiert nicht)",
    r"(?:utilisateur|destinataire|adresse|bo[iî]te)(?: \S+){0,3} (?:inconnue?|inexistante?|n'existe pas)",
    r"(?:usuario|buz[oó]n|destinat[aá]rio)(?: \S+){0,3} (?:desconocid[oa]|desconhecid[oa]|(?:no|não) existe)",
    r"(?:utente|destinatario|casella)(?: \S+){0,3} (?:sconosciut[oa]|inesistente)",
    r"(?:gebruiker|ontvanger)(?: \S+){0,2} (?:onbekend|bestaat niet)|onbekende (?:gebruiker|ontvanger)",
)
_FULL = (
    r"(?:mailbox|inbox|maildir|mail ?folder|mail ?spool)(?: \S+){0,3} (?:full|exceed\w*|over)|full mailbox",
    r"(?:over|exceed\w*|out of|beyond|above)(?: \S+){0,5} (?:quota|storage|disk ?space|allowed space)|over ?quota",
    r"quota ?(?:exceeded|full|exhausted|violation|exception)|exceeded storage|disk ?(?:space )?quota",
    r"(?:no|not)(?: \S+)? enough (?:\S+ )?space",
    r"(?:account|user|recipient)(?: \S+){0,3} (?:is|over|exceeds) (?:\S+ )?(?:full|quota)",
    r"postfach(?: \S+){0,3} voll|bo[iî]te(?: \S+){0,3} pleine|buz[oó]n(?: \S+){0,2} lleno|casella(?: \S+){0,2} piena",
)

SECTION = Section(
    title="SMTP: the recipient",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-single-label-domain",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient's domain is a single word",
            "An address such as bob@server has no full domain; mail services do not take it.",
            f"{_CORRECT} It needs a full domain, such as bob@server.contoso.com.",
            Match(
                text=(
                    r"single[ -]label",
                    r"(?:recipient address rejected|address): need fully[ -]qualified",
                )
            ),
            Match(enhanced=("5.1.6",)),
        ),
        entry(
            "smtp-recipient-mailbox-full",
            Category.RECIPIENT,
            Retry.LATER,
            "The recipient's mailbox is full",
            "It takes no more mail until its owner makes room.",
            "It is tried again hours later, and fails when it expires (`email_expiration_days`). Tell the recipient in "
            "another way.",
            Match(text=_FULL),
            Match(enhanced=("x.2.2",)),
            Match(status=(552,), stages=_RCPT),
            Match(status=(552,), stages=_RCPT, enhanced=("5.0.0", "5.2.0", "5.3.0")),
        ),
        entry(
            "smtp-recipient-moved",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient has another address now",
            "The server knows that the mailbox has moved; sometimes the answer names the new address.",
            _CORRECT,
            Match(
                text=(
                    r"(?:user|recipient|mailbox|address)(?: \S+){0,3} moved|user not local",
                    r"forwarding expired",
                )
            ),
            Match(enhanced=("5.1.6",), text=(r"moved|no longer",)),
            Match(status=(551,), stages=_RCPT),
        ),
        entry(
            "smtp-recipient-blocked-by-us",
            Category.BLOCKED,
            Retry.NO,
            "Your own organization blocks mail to this recipient",
            "The address or domain is in the organization's Tenant Allow/Block List; with it the whole message is "
            "stopped.",
            "Microsoft Defender portal > Policies & rules > Threat policies > Tenant Allow/Block Lists: take it out, "
            "or do not write to it.",
            Match(enhanced=("5.7.703",)),
            Match(text=(r"tenant allow(?:/| )?block",)),
            Match(enhanced=("5.7.703",), text=(r"block",)),
        ),
        entry(
            "smtp-recipient-restricted",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient takes mail only from certain senders",
            "It is a group, mailbox or list that is closed to senders outside its organization, or to all but a few.",
            "Ask its owner to allow the sender. Exchange: `Set-DistributionGroup <group> "
            "-RequireSenderAuthenticationEnabled $false`, or add the sender to the accepted senders.",
            Match(
                text=(
                    r"resolver\.rst|not authenticated (?:for|by)|allowed[ -]senders|members?[ -]only",
                    r"non-member",
                    r"only accepts? (?:messages|mail|e-?mail) from|closed mailing list|not allowed to post",
                )
            ),
            Match(enhanced=("5.7.12", "5.7.133-136"), text=(r"not authenticated",)),
            Match(enhanced=("5.7.*",), text=(r"resolver\.rst",)),
            Match(enhanced=("5.7.2", "5.7.12", "5.7.13", "5.7.124", "5.7.129", "5.7.133-136", "5.7.193")),
        ),
        entry(
            "smtp-recipient-domain-unknown",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient's domain does not exist, or takes no mail",
            "The part after the @ has no mail server in DNS.",
            f"{_CORRECT} If it is right, its owner has to mend its DNS (MX record).",
            Match(
                text=(
                    r"\b(?:host|domain)(?: name)?(?: \S+){0,3} (?:not (?:found|reachable)|unknown|(?:does )?not exist)",
                    r"no such (?:host|domain)|lookup of .* nxdomain",
                    r"(?:unknown|invalid|bad|non-?existent) (?:destination )?(?:host|domain)",
                    r"nonexistentdomain",
                    r"null ?mx|no (?:valid )?mx\b|no mail (?:host|server|exchanger)",
                    r"(?:host|domain) does not accept",
                    r"domain (?:unbekannt|existiert nicht)|domaine inconnu",
                    r"dominio (?:desconocido|inesistente)",
                )
            ),
            Match(enhanced=("5.1.2", "5.4.4", "5.4.310")),
            Match(status=(556,)),
        ),
        entry(
            "smtp-recipient-address-invalid",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient's address is not written as an address is",
            "It has a character, a space or a comma in the wrong place, or lacks a part.",
            _CORRECT,
            Match(
                text=(
                    r"(?:bad|malformed|illegal) (?:recipient |destination |mailbox |e-?mail )?address",
                    r"address syntax",
                    r"syntax error in (?:\S+ )?address|recipient address rejected: (?:malformed|bad)",
                    r"invalid address syntax",
                )
            ),
            Match(enhanced=("5.1.3",), text=(r"invalid (?:recipient )?address",)),
            Match(enhanced=("5.1.3",)),
            Match(status=(501, 553), stages=_RCPT),
            Match(status=(501, 553), stages=_RCPT, enhanced=("5.0.0", "5.5.2", "5.5.4")),
        ),
        entry(
            "smtp-recipient-disabled",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient's mailbox is closed",
            "The mailbox exists but was disabled, suspended, or not used for too long.",
            "Tell the recipient in another way, or take the address out.",
            Match(
                only=5,
                text=(
                    r"(?:account|mailbox|user|recipient)(?: \S+){0,9} (?:disabled|inactive|suspended|frozen|locked)",
                    r"(?:account|mailbox|user|recipient)(?: \S+){0,9} (?:deactivated|closed|discontinued|deleted)",
                ),
            ),
            Match(enhanced=("5.2.1",), text=(r"disabled|inactive|suspended",)),
            Match(enhanced=("5.2.1",)),
        ),
        entry(
            "smtp-recipient-ambiguous",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient's address fits more than one mailbox",
            "The receiving server cannot tell whom it is for: two mailboxes or contacts have the same address.",
            "Its administrator has to take the address from one of them.",
            Match(text=(r"ambiguous",)),
            Match(enhanced=("5.1.4",)),
        ),
        entry(
            "smtp-recipient-server-not-secure",
            Category.RECIPIENT,
            Retry.NO,
            "The recipient's server cannot prove who it is",
            "The recipient's domain demands a checked TLS connection (MTA-STS, DANE), and its server fails the check.",
            "The recipient's administrator has to mend the certificate, the MTA-STS policy or the DNSSEC records.",
            Match(enhanced=("5.4.8", "5.7.5", "5.7.321-325")),
            Match(enhanced=("5.4.8", "x.7.5", "x.7.321-325"), text=(r"tls|certificate|\bdane\b|dnssec|\bsts\b",)),
        ),
        entry(
            "smtp-mail-loop",
            Category.RECIPIENT,
            Retry.NO,
            "Mail to this recipient goes round in circles",
            "A forwarding rule or a wrong MX record sends the message back to where it came from.",
            "The recipient's administrator has to mend the forwarding or the DNS. In your own organization: see inbox "
            "rules and connectors.",
            Match(
                text=(
                    r"mail loop|routing loop|loops? back|hop ?count|too many (?:hops|received)",
                    r"exceeded \d+ hops",
                )
            ),
            Match(enhanced=("5.4.6", "5.4.14")),
        ),
        entry(
            "smtp-recipient-unknown",
            Category.RECIPIENT,
            Retry.NO,
            "There is no such recipient",
            "The receiving server does not know the address: it is misspelt, or its owner has left.",
            _CORRECT,
            Match(enhanced=("5.4.1", "5.7.504-505"), text=(r"access denied|rejected",)),
            Match(only=5, text=_UNKNOWN),
            Match(enhanced=("5.5.0",), stages=(*_RCPT, "data"), text=(r"unavailable|not taken",)),
            Match(enhanced=("5.1.1", "5.1.10", "5.4.1", "5.7.504-505")),
            Match(enhanced=("5.5.0",), status=(550,)),
        ),
        entry(
            "smtp-recipient-not-verified",
            Category.TRANSIENT,
            Retry.SOON,
            "The server cannot tell yet whether the recipient exists",
            "It asks the recipient's own server first, and has no answer so far.",
            "Nothing: it is tried again in minutes.",
            Match(
                only=4,
                text=(
                    r"unverified address|verification in progress|(?:cannot|could not|unable to) verify",
                    r"callout",
                ),
            ),
            Match(enhanced=("4.1.*",)),
        ),
        entry(
            "smtp-recipient-refused",
            Category.RECIPIENT,
            Retry.NO,
            "The server refuses the recipient's address",
            "It gives no reason beyond that.",
            "See that the address is right, and ask the recipient or its administrator.",
            Match(
                only=5,
                text=(
                    r"(?:recipient |recipients )?address(?:es)? rejected",
                    r"recipient (?:rejected|refused|denied)",
                ),
            ),
            Match(enhanced=("5.1.0",)),
        ),
    ),
)
