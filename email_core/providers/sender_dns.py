"""What the mail services ask of the DNS of a domain that sends through them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDns:
    """`spf_include` is what the domain's SPF record must lead to, `dkim_selectors` are the names that the service signs
    with: one of them must have a key. Empty where nobody knows. `own_domains` are the service's: nobody else can mend
    their DNS."""

    spf_include: str = ""
    dkim_selectors: tuple[str, ...] = ()
    own_domains: tuple[str, ...] = ()

    def owns(self, domain: str) -> bool:
        return any(domain == own or domain.endswith(f".{own}") for own in self.own_domains)


UNKNOWN = SenderDns()
EXCHANGE_ONLINE = SenderDns(
    spf_include="spf.protection.outlook.com",
    dkim_selectors=("selector1", "selector2"),
    own_domains=("onmicrosoft.com",),
)
OUTLOOK = SenderDns(own_domains=("outlook.com", "hotmail.com", "live.com", "msn.com"))
GMAIL = SenderDns(
    spf_include="_spf.google.com", dkim_selectors=("google",), own_domains=("gmail.com", "googlemail.com")
)
YAHOO = SenderDns(own_domains=("yahoo.com", "ymail.com", "rocketmail.com"))
