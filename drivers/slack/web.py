"""The one module that stands on slack_sdk, Slack's own library: calls of the Web API, and signatures of requests.

Its client for Socket Mode is not used: it swallows what goes wrong and connects again by itself, while here the core
has to be told. It is imported when an instance is made.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import aiohttp
from msgspec import Struct
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

__all__ = ["Answer", "Signatures", "Web"]

_SILENT = logging.getLogger("drivers.slack.silent")
_SILENT.setLevel(logging.CRITICAL)  # it would log what people say


class Answer(Struct, frozen=True):
    """What came back, whether Slack says yes or no."""

    status: int
    content: Mapping[str, object]
    """Empty where it was no JSON of Slack's."""
    headers: Mapping[str, str]


class Web:
    """Calls with one token, over a session of ours."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, token: str) -> None:
        address = api_url if api_url.endswith("/") else f"{api_url}/"
        self._client = AsyncWebClient(token, base_url=address, session=session, retry_handlers=[], logger=_SILENT)
        # it takes one from the environment; the session has the operator's
        self._client.proxy = None

    async def call(self, method: str, arguments: Mapping[str, str]) -> Answer:
        """Call a method; the arguments go as a form. Raises what the session raises."""
        try:
            answer = await self._client.api_call(method, data=dict(arguments))
        except SlackApiError as error:
            if not isinstance(error.response, AsyncSlackResponse):  # half an answer
                return Answer(error.response.status, {}, dict(error.response.headers))
            answer = error.response
        except (AttributeError, RecursionError):  # the first is its word for plain text with status 200
            return Answer(200, {}, {})
        content = answer.data if isinstance(answer.data, dict) else {}
        return Answer(answer.status_code, content, dict(answer.headers))


class Signatures:
    """Whether requests are Slack's: https://docs.slack.dev/authentication/verifying-requests-from-slack"""

    def __init__(self, secret: str) -> None:
        self._verifier = SignatureVerifier(secret)

    def are_right(self, body: bytes, timestamp: str, signature: str) -> bool:
        """Whether `signature` is of this body and of this time, which is five minutes ago at most.

        Takes the same time whatever is wrong with the signature.
        """
        if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12 or not signature.isascii():
            return False
        return self._verifier.is_valid(body=body, timestamp=timestamp, signature=signature)
