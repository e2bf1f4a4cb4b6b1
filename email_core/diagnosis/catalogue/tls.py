"""TLS, with whatever server: the words of OpenSSL and Python's ssl, and of servers that ask for a newer version."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

SECTION = Section(
    title="TLS",
    entries=(
        entry(
            "tls-certificate-expired",
            Category.CONFIGURATION,
            Retry.NO,
            "The server's certificate has expired",
            "Its last day has passed, or the clock of this machine is wrong.",
            "Let the server's administrator renew it. Nothing is sent until then.",
            Match(text=(r"certificate(?: \S+){0,2} expired|cert_has_expired",)),
        ),
        entry(
            "tls-certificate-not-yet-valid",
            Category.CONFIGURATION,
            Retry.NO,
            "The server's certificate is not valid yet",
            "Its first day is still to come, or the clock of this machine is wrong.",
            "See the machine's clock, then the certificate's dates.",
            Match(text=(r"certificate is not yet valid",)),
        ),
        entry(
            "tls-certificate-wrong-name",
            Category.CONFIGURATION,
            Retry.NO,
            "The server's certificate is for another name",
            "The name or address that was called is not in the certificate.",
            "Call the server by a name in its certificate (`smtp_server`, `exchange_server`), or let its administrator "
            "add the name.",
            Match(
                text=(
                    r"hostname(?: \S+)? (?:mismatch|doesn't match)|ip address mismatch",
                    r"certificate is not valid for|name mismatch",
                )
            ),
        ),
        entry(
            "tls-certificate-untrusted",
            Category.CONFIGURATION,
            Retry.NO,
            "The server's certificate is signed by nobody that is trusted",
            "It is self-signed, comes from a private authority, or the server does not send the certificates between.",
            "A private authority: give its certificate in `smtp_certificate_authority` or "
            "`exchange_certificate_authority`. With Graph and Entra, a proxy on the way reads along with a certificate "
            "of its own: let it leave Microsoft's addresses alone. Else let the server's administrator install a "
            "certificate of a public authority, with its chain.",
            Match(
                text=(
                    r"self[- ]signed certificate|unable to get (?:local )?issuer",
                    r"unable to verify the first|unknown ?_?ca\b",
                    r"certificate (?:chain )?(?:is )?not trusted|untrusted",
                )
            ),
        ),
        entry(
            "tls-certificate-refused",
            Category.CONFIGURATION,
            Retry.NO,
            "The server's certificate cannot be accepted",
            "It was revoked, its key or signature is too weak, or it is not made for servers.",
            "Let the server's administrator install another certificate.",
            Match(
                text=(
                    r"certificate[ _]verify[ _]failed|certificate(?: \S+)? revoked",
                    r"(?:ee|ca)_?\s?(?:key|md) too (?:small|weak)",
                    r"ee_key_too_small|ca_key_too_small|ca_md_too_weak|unsuitable certificate purpose",
                )
            ),
        ),
        entry(
            "tls-client-certificate-wanted",
            Category.CONFIGURATION,
            Retry.NO,
            "The server wants a certificate of ours",
            "It lets in only clients that show one.",
            "Ask the server's administrator for another port, or to allow the app by its address.",
            Match(
                text=(
                    r"alert[_ ]certificate[_ ]required|alert[_ ]bad[_ ]certificate",
                    r"peer did not return a certificate",
                )
            ),
        ),
        entry(
            "tls-not-spoken",
            Category.CONFIGURATION,
            Retry.NO,
            "The server does not speak TLS on this port from the start",
            "It answered in plain text where TLS was expected: the port is one for STARTTLS, or of another service.",
            "With port 587 or 25 set `smtp_security` to starttls, with port 465 to tls.",
            Match(
                text=(
                    r"wrong[_ ]version[_ ]number|record layer failure|unknown[_ ]protocol",
                    r"packet length too long|http[_ ]request\b",
                )
            ),
        ),
        entry(
            "tls-version-not-shared",
            Category.CONFIGURATION,
            Retry.NO,
            "The server speaks no version of TLS that is safe",
            "TLS 1.2 is the oldest that is used here; the server offers less, or only wants more than this side has.",
            "Let the server's administrator switch TLS 1.2 or 1.3 on.",
            Match(
                text=(
                    r"alert[_ ]protocol[_ ]version|unsupported[_ ]protocol|no protocols available",
                    r"version[_ ]too[_ ]low",
                    r"tls ?v?1\.[012](?: \S+){0,4} (?:not supported|required|disabled)|support tls ?v?1\.2",
                    r"upgrade(?: \S+){0,4} tls",
                )
            ),
        ),
        entry(
            "tls-no-shared-cipher",
            Category.CONFIGURATION,
            Retry.NO,
            "The server and this side have no safe way of encrypting in common",
            "The server offers only ciphers or keys that are no longer safe.",
            "Let the server's administrator allow current ciphers and keys (ECDHE with AES-GCM, RSA of 2,048 bits).",
            Match(
                text=(
                    r"handshake[_ ]failure|no[_ ]shared[_ ]cipher|no[_ ]ciphers[_ ]available",
                    r"dh[_ ]key[_ ]too[_ ]small",
                    r"unsafe[_ ]legacy[_ ]renegotiation|insufficient[_ ]security|bad[_ ]ecpoint",
                )
            ),
        ),
        entry(
            "tls-broken-off",
            Category.TRANSIENT,
            Retry.SOON,
            "The connection broke off while TLS was being set up",
            "The server, or a firewall in between, hung up without a word.",
            "If it stays: see that the port fits `smtp_security` (587 starttls, 465 tls) and that no firewall "
            "inspects it.",
            Match(
                text=(
                    r"unexpected[_ ]eof[_ ]while|eof occurred in violation|ssl(?:zeroreturn|eof)error",
                    r"tls/ssl connection has been closed",
                )
            ),
            Match(stages=("tls",), text=(r"unexpected[_ ]eof",)),
        ),
    ),
)
