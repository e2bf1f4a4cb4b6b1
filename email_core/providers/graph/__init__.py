"""Microsoft Graph (facts/graph.md).

settings      the clouds, and what the parameters say, checked as a whole
client        one request, with a token and ids that Microsoft's support asks for
outcome       what an answer or a failure means
json_message  a message as Graph's JSON, where it is not to be kept in Sent Items
large         a large message in two: what a draft is made of, and its files
upload        the files, in ranges
draft         a draft: made, filled, sent
sent_item     whether an item of Sent Items is the email
provider      all of them together
"""

from email_core.providers.graph.provider import GraphProvider
from email_core.providers.graph.settings import GraphSettings

__all__ = ["GraphProvider", "GraphSettings"]
