"""An email as a caller hands it over: the shapes of docs/reference/api.md, checked by pydantic, turned into the core's
own values.

Every problem is reported with a JSON pointer, all of them at once, in words that say what to do.
"""

import binascii
import mimetypes
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, to_json

from email_core.addresses import parse_address
from email_core.choice_of_provider import CONFIGURED_BY, EML
from email_core.composer import MOST_RECIPIENTS
from email_core.errors import FieldProblem, InvalidEmail
from email_core.message import Address, Attachment, Importance, Message
from email_core.mime import LONGEST_SUBJECT, LONGEST_TOKEN
from email_core.order import Order
from email_core.record import Mode
from email_functions.field_types import Given, Line, Moment, OrNull, given
from email_functions.validation import Body, did_you_mean, from_json, from_query

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w-]+=([\w.+-]+|\"[^\"\\]*\"))*", re.ASCII)
_EXTRA_HEADER = re.compile(r"X-[A-Za-z0-9-]{1,70}|List-Unsubscribe|List-Unsubscribe-Post|References|In-Reply-To", re.I)
_OWN_HEADERS = frozenset({"x-priority", "x-unsent"})
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~.@-]+")  # no "?": an encoded word would be possible
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MOST_HEADERS = 50
_LONGEST_HEADER = 8_192  # characters
_MOST_METADATA = 50
_LONGEST_METADATA = 16_384  # octets
MOST_EMAILS = 100  # of one batch


def _is_extra_header(name: str) -> str:
    if not _EXTRA_HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
        raise ValueError(
            "cannot be set: only X- headers, List-Unsubscribe, List-Unsubscribe-Post, References and In-Reply-To can"
        )
    return name


def _fits_header(value: str) -> str:
    if len(value) > _LONGEST_HEADER or max(map(len, value.split(" "))) > LONGEST_TOKEN:
        raise ValueError(f"is too long: at most {_LONGEST_HEADER} characters, and {LONGEST_TOKEN} without a space")
    return value


def _is_provider(name: str) -> str:
    """Whether it may be named, and is configured, is asked when the rest of the body is right."""
    if name not in CONFIGURED_BY and name != EML:
        hint = did_you_mean(name, CONFIGURED_BY)
        raise ValueError(f"is no provider: {hint}there are {', '.join(CONFIGURED_BY)}")
    return name


ProviderName = Annotated[Line, AfterValidator(_is_provider)]
HeaderName = Annotated[str, AfterValidator(_is_extra_header)]
HeaderValue = Annotated[Line, AfterValidator(_fits_header)]


class AddressBody(Body):
    """`"bob@example.com"` or `{"address": "bob@example.com", "name": "Bob"}`."""

    address: Given[str]
    name: OrNull[str] = ""
    """What a mail app shows beside the address."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"address": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if "<" in self.address:
            raise ValueError('has more than an address: write {"address": "bob@example.com", "name": "Bob"}')
        parse_address(self.address, self.name)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        reference = handler(schema)
        definition = handler.resolve_ref_schema(reference)
        written_out = {
            name: definition.pop(name) for name in ("type", "properties", "required", "additionalProperties")
        }
        definition["anyOf"] = [{"type": "string"}, written_out]
        return reference

    def to_core(self) -> Address:
        return parse_address(self.address, self.name)


class AttachmentBody(Body):
    name: Given[Annotated[Line, Field(min_length=1, max_length=255)]]
    """The file's name, without a path."""
    content: Annotated[bytes, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
    """The file, in base64."""
    content_type: Annotated[Line, Field(max_length=255)] | None = None
    """Left out: by the end of its name."""
    inline: OrNull[bool] = False
    """Shown within the HTML, by `cid:<content_id>`."""
    content_id: Annotated[Line, Field(max_length=255)] | None = None
    """The name by which the HTML shows an inline file."""

    @field_validator("name")
    @classmethod
    def _is_file_name(cls, name: str) -> str:
        if "/" in name or "\\" in name or name in (".", ".."):
            raise ValueError("is a path: give the file's name alone")
        if any(character in _TURNS for character in name):
            raise ValueError("has a character that turns the direction of text: it would show another name")
        if "=?" in name or name != name.strip():  # mail programs would show another name
            raise ValueError("is an encoded word, or has a space at an end: give the plain name")
        return name

    @field_validator("content", mode="before")
    @classmethod
    def _decoded(cls, text: Any) -> Any:
        if not isinstance(given(text), str):
            raise ValueError("is not text: give the file's octets in base64")
        try:
            return binascii.a2b_base64(text, strict_mode=True)  # unlike b64decode it does not copy the text
        except (binascii.Error, ValueError):
            raise ValueError("is not base64 (RFC 4648, section 4, with padding and without line breaks)") from None

    @field_validator("content_type")
    @classmethod
    def _is_media_type(cls, content_type: str | None) -> str | None:
        if content_type is None:
            return None
        if not _MEDIA_TYPE.fullmatch(content_type) or "=?" in content_type:
            raise ValueError("is not a media type like application/pdf")
        if not _is_attachable(content_type):
            raise ValueError("cannot be attached as such: use application/octet-stream")
        return content_type

    @field_validator("content_id")
    @classmethod
    def _is_content_id(cls, content_id: str | None) -> str | None:
        if content_id is not None and not _CONTENT_ID.fullmatch(content_id):
            raise ValueError("has a character that a content id cannot have: use letters, digits, - . _ @")
        return content_id

    @model_validator(mode="after")
    def _inline_has_id(self) -> Self:
        if self.inline and not self.content_id:
            raise ValueError("is inline, so it needs a content_id: the HTML shows it by cid:<content_id>")
        return self

    def to_core(self) -> Attachment:
        kind = self.content_type or _guessed_type(self.name)
        return Attachment(self.name, kind, self.content, self.inline, self.content_id)


def _is_attachable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "message/rfc822" or not kind.startswith(("multipart/", "message/"))


def _guessed_type(name: str) -> str:
    """By the name's end. A compressed file is not what was compressed."""
    guessed, compression = mimetypes.guess_type(name)
    return guessed if guessed and not compression and _is_attachable(guessed) else "application/octet-stream"


Addresses = Annotated[list[AddressBody], Field(max_length=MOST_RECIPIENTS)]


class OrderBody(Body):
    """How an email is to be sent: in the JSON body, or in the query string beside a message/rfc822 body."""

    mode: OrNull[Mode] = Mode.BATCH
    """Batch mail is sent by the distributor within the limits; interactive mail goes at once."""
    user: Annotated[Line, Field(min_length=1, max_length=128)] | None = None
    """A known user: From and provider come from its options."""
    provider: ProviderName | None = None
    """smtp, graph or exchange. Left out: by the rules."""
    send_at: Moment | None = None
    """Not before this time."""
    expires_at: Moment | None = None
    """Not after this time: then it becomes Expired."""
    dry_run: OrNull[bool] = False
    """Only tell what would happen: nothing is stored."""

    def order(self, metadata: Mapping[str, str], pointer: str = "/") -> Order:
        return Order(
            pointer=pointer,
            mode=self.mode,
            user=self.user,
            provider=self.provider,
            send_at=self.send_at,
            expires_at=self.expires_at,
            metadata=metadata,
        )


class EmailBody(OrderBody):
    """An email: at least one recipient in `to`, `cc` or `bcc`; all else may be left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "from": {"address": "ann@contoso.com", "name": "Ann"},
                    "to": ["bob@example.com"],
                    "subject": "Statement",
                    "text": "Your statement is attached.",
                    "attachments": [{"name": "statement.txt", "content": "SGVsbG8sIEJvYiE="}],
                    "metadata": {"order": "42"},
                }
            ]
        }
    )

    sender: AddressBody | None = Field(None, alias="from")
    """Left out: by the rules, at last the parameter default_sender."""
    to: OrNull[Addresses] = []
    cc: OrNull[Addresses] = []
    bcc: OrNull[Addresses] = []
    """They get it, and nobody sees them."""
    reply_to: OrNull[Addresses] = []
    """Where answers go, if not to the sender."""
    subject: OrNull[Annotated[Line, Field(max_length=LONGEST_SUBJECT)]] = ""
    text: str | None = None
    """The body as plain text. With `html` too, a mail app shows the one it can."""
    html: str | None = None
    """The body as HTML."""
    template: str | None = None
    """For later: there are no templates yet."""
    attachments: OrNull[Annotated[list[AttachmentBody], Field(max_length=250)]] = []
    """Files, in the message or shown within its HTML."""
    headers: OrNull[Annotated[dict[HeaderName, HeaderValue], Field(max_length=_MOST_HEADERS)]] = {}
    """X- headers, List-Unsubscribe, References and In-Reply-To."""
    importance: OrNull[Importance] = Importance.NORMAL
    """What mail apps mark it with."""
    metadata: OrNull[Annotated[dict[Line, Line], Field(max_length=_MOST_METADATA)]] = {}
    """References of your own: kept with the email, and sent to nobody."""

    @field_validator("template")
    @classmethod
    def _exists(cls, template: str | None) -> str | None:
        if template is not None:
            raise ValueError("names a template that does not exist: there are no templates yet, give text or html")
        return template

    @field_validator("headers")
    @classmethod
    def _fit_together(cls, headers: dict[str, str]) -> dict[str, str]:
        names = [name.lower() for name in headers]
        for name, value in headers.items():
            if names.count(name.lower()) > 1:
                raise ValueError(f"sets {name} twice")
            if not name.lower().startswith("x-") and not value.isascii():
                raise ValueError(f"has a value of {name} that is not ASCII: write addresses in their encoded form")
        return headers

    @field_validator("metadata")
    @classmethod
    def _is_short(cls, metadata: dict[str, str]) -> dict[str, str]:
        if any(len(key) > 128 or len(value) > 1024 for key, value in metadata.items()):
            raise ValueError("is too long: keys have at most 128 characters, values 1,024")
        if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > _LONGEST_METADATA:
            raise ValueError(f"is too long: at most {_LONGEST_METADATA} octets in all")
        return metadata

    @field_validator("attachments")
    @classmethod
    def _inline_is_shown(cls, attachments: list[AttachmentBody], info: ValidationInfo) -> list[AttachmentBody]:
        if info.data.get("html") is None and any(one.inline for one in attachments):
            raise ValueError("has an inline file, but there is no html that could show it")
        ids = [one.content_id for one in attachments if one.content_id]
        if len(ids) != len(set(ids)):
            raise ValueError("has the same content_id twice")
        return attachments

    def message(self) -> Message:
        return Message(
            sender=self.sender.to_core() if self.sender else None,
            to=_addresses(self.to),
            cc=_addresses(self.cc),
            bcc=_addresses(self.bcc),
            reply_to=_addresses(self.reply_to),
            subject=self.subject,
            text=self.text,
            html=self.html,
            attachments=tuple(one.to_core() for one in self.attachments),
            headers=self.headers,
            importance=self.importance,
        )


class BatchBody(Body):
    """The emails are checked one by one: a bad one does not sink the others."""

    most_values: ClassVar[int] = 500_000

    emails: Given[
        Annotated[
            list[Any],
            Field(
                min_length=1,
                max_length=MOST_EMAILS,
                json_schema_extra={"items": {"$ref": "#/components/schemas/EmailBody"}},
            ),
        ]
    ]
    """Without `dry_run`."""


def email_body(body: bytes) -> EmailBody:
    """Raises NotJson or InvalidEmail."""
    return from_json(EmailBody, body)


def message_body(body: bytes) -> tuple[EmailBody, Message]:
    """The same, with the message that it describes."""
    email = email_body(body)
    return email, email.message()


def batch_bodies(body: bytes) -> list[EmailBody | InvalidEmail]:
    """Each email, or what is wrong with it, in order. Raises NotJson or InvalidEmail for what is no batch at all."""
    return [_email_or_not(item) for item in from_json(BatchBody, body).emails]


def _email_or_not(item: Any) -> EmailBody | InvalidEmail:
    try:
        email = from_json(EmailBody, to_json(item))
    except InvalidEmail as problem:
        return problem
    return InvalidEmail(FieldProblem("/dry_run", "is not taken in a batch")) if email.dry_run else email


def order_query(params: Mapping[str, str]) -> OrderBody:
    """The query string beside a message/rfc822 body. Raises InvalidEmail with pointers like `?mode`."""
    return from_query(OrderBody, params)


def _addresses(bodies: list[AddressBody]) -> tuple[Address, ...]:
    return tuple(one.to_core() for one in bodies)
