"""Addresses of services that an administrator names."""

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9._:-]+")  # what else a name may be written with could pose as another


def is_https_origin(address: str) -> bool:
    """Whether it is a service's https address, without a path or anything else behind its name and port."""
    try:
        parts = urlsplit(address)
        is_host = _HOST.fullmatch(parts.hostname or "") is not None and parts.port != 0
    except ValueError:  # a port or a bracket that is none
        return False
    more = "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme == "https" and is_host and not more
