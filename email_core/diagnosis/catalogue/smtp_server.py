"""The server's own state, and the protocol with it (facts/smtp.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_TLS = ("tls",)
_NOTHING = "Nothing, if it passes: the mail waits and is tried again. Else tell whoever runs the server."

SECTION = Section(
    title="SMTP: the server",
    providers=("smtp",),
    entries=(
        entry(
            "smtp-tls-not-available",
            Category.TRANSIENT,
            Retry.SOON,
            "The server cannot encrypt just now",
            "It offers STARTTLS but cannot do it, for a reason of its own.",
            _NOTHING,
            Match(
                text=(
                    r"tls (?:is )?(?:currently |temporarily |session )?(?:not available|unavailable)",
                    r"cannot start tls",
                )
            ),
            Match(status=(421, 450, 451, 454), stages=_TLS),
            Match(status=(421, 450, 451, 454), stages=_TLS, enhanced=("4.7.0", "4.3.0", "4.7.1")),
        ),
        entry(
            "smtp-starttls-not-offered",
            Category.CONFIGURATION,
            Retry.NO,
            "The server does not offer STARTTLS",
            "`smtp_security` demands it, and mail is never sent without.",
            "See that `smtp_port` is the one for submission (587). With port 465 set `smtp_security` to tls. Only for "
            "a relay inside your own network: none.",
            Match(
                text=(
                    r"starttls (?:\S+ ){0,2}not (?:\S+ )?(?:supported|offered|available|advertised|implemented)",
                    r"(?:does not|doesn't) (?:support|offer|advertise) (?:starttls|tls)|no starttls",
                )
            ),
            Match(status=(500, 501, 502, 503, 504, 538, 550, 554), stages=_TLS),
            Match(
                status=(500, 501, 502, 503, 504, 538, 550, 554),
                stages=_TLS,
                enhanced=("5.5.1", "5.5.2", "5.5.4", "5.7.0", "5.7.1"),
            ),
        ),
        entry(
            "smtp-not-smtp",
            Category.CONFIGURATION,
            Retry.SOON,
            "What answers there does not speak SMTP",
            "The reply is no SMTP reply: another service listens on that port, or a proxy is in between.",
            "See `smtp_server` and `smtp_port`: 587 with `smtp_security` starttls, or 465 with tls.",
            Match(
                no_reply=True,
                text=(
                    r"malformed smtp|no (?:smtp )?reply to this|not an smtp|non-smtp",
                    r"invalid smtp (?:reply|response)",
                ),
            ),
        ),
        entry(
            "smtp-out-of-step",
            Category.TRANSIENT,
            Retry.SOON,
            "The server's answers do not follow the commands",
            "One answer was to nothing that was said, or to something else, so that none of them can be trusted.",
            "Nothing now: the email is tried again, one command at a time. If it stays so, ask whoever runs the server "
            "or a firewall before it whether it takes several commands in one go (PIPELINING), as it says.",
            Match(
                no_reply=True,
                text=(
                    r"\d is no answer to (?:mail|rcpt|data)\b|the server said something unasked",
                    r"a reply that is too long|\d came before the content's end",
                ),
            ),
        ),
        entry(
            "smtp-out-of-space",
            Category.TRANSIENT,
            Retry.SOON,
            "The server has no room or resources just now",
            "Its disk, memory or queue is full. It is not about the recipient's mailbox.",
            _NOTHING,
            Match(
                text=(
                    r"insufficient (?:system |disk )?(?:storage|resources?|space)|disk (?:is )?full",
                    r"no space left|mail system full",
                )
            ),
            Match(enhanced=("x.3.1",)),
            Match(status=(452,)),
        ),
        entry(
            "smtp-connection-dropped",
            Category.TRANSIENT,
            Retry.SOON,
            "The server gave the connection up",
            "It waited too long for us, or for the next server, or lost the connection to that.",
            _NOTHING,
            Match(
                status=(421, 450, 451, 454),
                text=(r"time-?out|timed out|connection (?:dropped|lost|reset|refused)|idle too long",),
            ),
            Match(only=4, enhanced=("4.4.*",)),
        ),
        entry(
            "smtp-busy",
            Category.TRANSIENT,
            Retry.SOON,
            "The server is busy or closing",
            "It asks to come back later.",
            _NOTHING,
            Match(
                only=4,
                text=(
                    r"(?:server|service|system|resources?|too) (?:\S+ )?(?:busy|unavailable|shutting)",
                    r"service not available",
                ),
            ),
            Match(only=4, enhanced=("4.3.*",)),
            Match(status=(421,)),
        ),
        entry(
            "smtp-try-later",
            Category.TRANSIENT,
            Retry.SOON,
            "The server asks to try again",
            "A temporary refusal (4xx). What it gives as the reason is in the reply.",
            _NOTHING,
            Match(only=4, enhanced=("4.0.*", "4.2.*", "4.5.*", "4.7.*")),
            Match(status=(450, 451, 454, 455, 458)),
        ),
        entry(
            "smtp-command-refused",
            Category.CONFIGURATION,
            Retry.NO,
            "The server does not understand a command",
            "A command came at the wrong time for it, or with something that it does not know. A firewall that "
            "rewrites SMTP does the same.",
            "`POST /api/test-email` shows the step. See that `smtp_server` and `smtp_port` are a submission server's, "
            "and that no firewall inspects SMTP (Cisco: fixup, ESMTP inspection).",
            Match(enhanced=("5.5.1", "5.5.2", "5.5.4")),
            Match(status=(500, 501, 502, 503, 504, 555)),
        ),
    ),
)
