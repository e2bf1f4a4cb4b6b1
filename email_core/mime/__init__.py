"""A message's MIME: built once from what an app says, or taken in finished, as it goes over the wire."""

from email_core.mime.adopt import adopt_mime, renew_mime
from email_core.mime.build import build_mime
from email_core.mime.draft import as_draft, build_draft, with_bcc
from email_core.mime.headers import LONGEST_SUBJECT, LONGEST_TOKEN
from email_core.mime.redirect import redirected_head

__all__ = [
    "LONGEST_SUBJECT",
    "LONGEST_TOKEN",
    "adopt_mime",
    "as_draft",
    "build_draft",
    "build_mime",
    "redirected_head",
    "renew_mime",
    "with_bcc",
]
