"""The network, with whatever server: the words of Python, its libraries and proxies."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_REACH = (
    "See the server's name and port (`smtp_server` and `smtp_port`, or `exchange_server`; Graph has port 443), and "
    "that the app's network lets it out there: firewall, NAT, virtual network. Azure blocks port 25: for SMTP use 587."
)

SECTION = Section(
    title="Network",
    entries=(
        entry(
            "network-proxy-wants-sign-in",
            Category.CONFIGURATION,
            Retry.NO,
            "A proxy in between wants a user name and password",
            "The way out of the network goes through a proxy that does not let the app pass.",
            "Let the proxy's administrator allow the app, or give the proxy's address with a user name and password in "
            "the app setting HTTPS_PROXY.",
            Match(text=(r"proxy authentication required|407 proxy|proxy(?: \S+){0,4} 407",)),
            Match(status=(407,)),
        ),
        entry(
            "network-proxy-refused",
            Category.CONFIGURATION,
            Retry.SOON,
            "A proxy in between does not let the connection through",
            "The proxy refused, or cannot be reached itself.",
            "See the app setting HTTPS_PROXY, and let the proxy's administrator allow the server that was called.",
            Match(text=(r"proxy ?error|(?:connect|connection) to proxy|tunnel connection failed|via proxy",)),
        ),
        entry(
            "network-name-lookup-failed",
            Category.TRANSIENT,
            Retry.SOON,
            "The name server did not answer",
            "Nobody could say just now which address the server has.",
            "Nothing, if it passes. Else see the DNS settings of the app's network.",
            Match(
                no_reply=True,
                text=(
                    r"temporary failure in name resolution|errno -3\]",
                    r"dns(?: \S+){0,3} (?:time-?d? ?out|timeout)|try again$",
                ),
            ),
        ),
        entry(
            "network-name-unknown",
            Category.CONFIGURATION,
            Retry.SOON,
            "There is no server of this name",
            "DNS knows no address for the name: it is misspelt, or known only inside another network.",
            "Correct `smtp_server` or `exchange_server`. For a name inside your own "
            "network the app needs that network's DNS (virtual network integration).",
            Match(
                no_reply=True,
                text=(
                    r"name or service not known|nodename nor servname|getaddrinfo failed",
                    r"no address associated|errno (?:-2|-5|11001|8)\]|nxdomain",
                    r"(?:failed to|cannot|could not) resolve|nameresolutionerror|name does not resolve",
                    r"no such host|unknown host|host not found",
                ),
            ),
        ),
        entry(
            "network-refused",
            Category.TRANSIENT,
            Retry.SOON,
            "The server refuses the connection",
            "The machine is there, but nothing listens on the port, or a firewall says no.",
            _REACH,
            Match(
                no_reply=True,
                text=(
                    r"connection ?refused|errno (?:111|61|10061)\b|winerror (?:10061|1225)",
                    r"actively refused",
                ),
            ),
        ),
        entry(
            "network-unreachable",
            Category.TRANSIENT,
            Retry.SOON,
            "There is no way to the server through the network",
            "A route or a firewall is missing or closed.",
            _REACH,
            Match(
                no_reply=True,
                text=(
                    r"no route to host|(?:network|host) is unreachable",
                    r"errno (?:113|101|65|51|10065|10051)\b",
                ),
            ),
            Match(no_reply=True, text=(r"errno (?:13|1)\]|permission denied|forbidden by its access permissions",)),
        ),
        entry(
            "network-timeout",
            Category.TRANSIENT,
            Retry.SOON,
            "The server did not answer in time",
            "The connection could not be made, or no answer came. A firewall that drops silently looks the same.",
            _REACH,
            Match(
                no_reply=True,
                text=(
                    r"time-?d? ?out|timeout|errno (?:110|60|10060)\b|winerror (?:121|10060)",
                    r"^no answer within",  # a rehearsal's
                ),
            ),
        ),
        entry(
            "network-connection-lost",
            Category.TRANSIENT,
            Retry.SOON,
            "The connection broke off",
            "The server or something in between closed it before the answer.",
            "Nothing, if it passes: the mail is tried again. Else see firewalls in between, and the server's log.",
            Match(
                no_reply=True,
                text=(
                    r"lost connection|connection(?: \S+){0,2} (?:reset|lost|aborted|closed|dropped)",
                    r"connection(?:reset|aborted)|reset by peer|errno (?:104|54|32|10054|103|10053)\b",
                    r"broken ?pipe|(?:server )?disconnected|unexpectedly closed|incomplete ?read",
                    r"remote ?protocol ?error|hung up|closed connection|unexpected eof",
                ),
            ),
        ),
    ),
)

GENERAL_SECTION = Section(  # after all that know more
    title="Network and TLS, with no closer reason",
    entries=(
        entry(
            "tls-failed",
            Category.CONFIGURATION,
            Retry.NO,
            "TLS with the server failed",
            "OpenSSL's own words are in the reply.",
            "`POST /api/test-email` shows the step. See that the port fits `smtp_security` (587 starttls, 465 tls).",
            Match(
                text=(
                    r"\[ssl[:\]]|\bssl\.?\w*error|sslv3_alert|tlsv1_alert|tlsv13_alert",
                    r"^no tls with the server",
                )
            ),
        ),
        entry(
            "network-no-connection",
            Category.TRANSIENT,
            Retry.SOON,
            "No connection to the server",
            "The network gives no closer reason.",
            _REACH,
            Match(
                no_reply=True,
                text=(
                    r"connect call failed|all connection attempts failed|error connecting|cannot connect",
                    r"connection ?error|connect ?error|failed to establish a new connection|oserror",
                    r"network ?error",
                ),
            ),
            Match(no_reply=True, text=(r"^no connection to the server",)),
        ),
    ),
)
