"""Webhooks' keys in the operator's file: an instance's, a hook's, and a channel's."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, field

from nextbridge.config.types import NonBlank, OptionalProxy, Secret, Settings

__all__ = [
    "LONGEST_TEXT",
    "HookChannel",
    "HookSettings",
    "IncomingSettings",
    "OutgoingSettings",
    "Signature",
    "WebhookSettings",
]

LONGEST_TEXT = 16_000
"""Characters of a message, whichever way it goes."""

_HookName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)",
        extra_json_schema={"x-hint": "a hook's name has 1 to 64 letters, digits, dots, underscores and hyphens"},
    ),
]

Signature: TypeAlias = Literal["standard", "github"]
"""Of the body: by the specification Standard Webhooks, with a time and an id; or as GitHub signs, without either."""

_Template: TypeAlias = Annotated[NonBlank, Meta(max_length=20_000)]


class IncomingSettings(Settings, frozen=True):
    """What other programs may post, below `/webhook/<instance>/<hook>`."""

    token: Annotated[
        Secret | None,
        Meta(
            description="The last part of the address, `/webhook/<instance>/<hook>/<token>`, or sent as "
            "`Authorization: Bearer`. Without it the body has to be signed."
        ),
    ] = None
    secret: Annotated[Secret | None, Meta(description="What the body is signed with.")] = None
    signature: Annotated[Signature, Meta(description="How it is signed.")] = "github"
    template: Annotated[
        _Template | None,
        Meta(
            description="Makes the text of the JSON that is posted (`body`), in Jinja's notation; where it makes "
            "nothing, nothing is relayed. Without it the body is a message as for Slack or Mattermost.",
            examples=["{{ body.repository.full_name }}: {{ body.head_commit.message }}"],
        ),
    ] = None
    username: Annotated[
        NonBlank | None, Meta(description="The author's name where the body gives none; the hook's name without it.")
    ] = None
    bot: Annotated[
        bool, Meta(description="Its messages count as a program's. False where it passes on what people say.")
    ] = True
    messages_per_minute: Annotated[
        int, Meta(ge=1, le=60_000, description="What may be posted; what is more is refused, to be posted again later.")
    ] = 120


class OutgoingSettings(Settings, frozen=True):
    """Where messages are posted to."""

    url: Annotated[Secret, Meta(description="The address, with whatever lets one post there.")]
    method: Annotated[Literal["POST", "PUT", "PATCH"], Meta(description="How it is asked.")] = "POST"
    style: Annotated[
        Literal["slack", "mattermost"],
        Meta(description="The body, where there is no template: as Slack's or Mattermost's webhooks take it."),
    ] = "slack"
    template: Annotated[
        _Template | None,
        Meta(
            description="Makes the body of the message (`text`, `name`, …), in Jinja's notation.",
            examples=['{"content": {{ text|tojson }}}'],
        ),
    ] = None
    content_type: Annotated[
        Annotated[str, Meta(pattern=r"^[\w.+-]+/[\w.+-]+( *; *[\w.+-]+=[\w.+-]+)*$(?!\n)")],
        Meta(description="Of the body that the template makes."),
    ] = "application/json"
    headers: Annotated[
        dict[Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+$(?!\n)")], Secret],
        Meta(description="More headers, such as `Authorization`."),
    ] = field(default_factory=dict)
    secret: Annotated[Secret | None, Meta(description="What the body is signed with.")] = None
    signature: Annotated[Signature, Meta(description="How it is signed.")] = "standard"
    max_message: Annotated[
        int, Meta(ge=40, le=LONGEST_TEXT, description="Characters of one message; a longer one is split.")
    ] = 4000


class HookSettings(Settings, frozen=True):
    """A hook: one way, or both."""

    incoming: Annotated[IncomingSettings | None, Meta(description="What other programs may post.")] = None
    outgoing: Annotated[OutgoingSettings | None, Meta(description="Where messages are posted to.")] = None


class WebhookSettings(Settings, frozen=True):
    """Webhooks that share a proxy."""

    hooks: Annotated[dict[_HookName, HookSettings], Meta(min_length=1, description="The hooks by their names.")]
    identity: Annotated[
        bool,
        Meta(
            description="Who receives messages shows the author's name beside the text. False where it does not (an "
            "incoming webhook of a Slack app): then the name stands in the text."
        ),
    ] = True
    proxy: OptionalProxy = UNSET
    ca_file: Annotated[
        NonBlank | None, Meta(description="A PEM file with certificates to trust beside the system's.")
    ] = None


class HookChannel(Settings, frozen=True):
    """A channel of the webhooks."""

    hook: Annotated[_HookName, Meta(description="The hook's name in the instance's `hooks`.", examples=["ci"])]
