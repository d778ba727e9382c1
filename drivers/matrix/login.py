"""Who we are on the homeserver: by the token of the file, or by the password, for which a token is got and kept.

Transaction ids and keys belong to a device, so that a new token is got for the device that there was before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from msgspec import UNSET

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal, TokenRefused
from drivers.matrix.settings import MatrixSettings
from nextbridge.driver import Store
from nextbridge.errors import DriverError, Paused
from nextbridge.redaction import redaction

__all__ = ["for_a_look", "log_in"]

_TOKEN = "access_token"  # noqa: S105 - the name that it is kept under
_DEVICE = "device"


async def log_in(api: Api, settings: MatrixSettings, store: Store) -> wire.WhoAmI:
    """Give `api` a token that the homeserver takes, and return whose it is. Raises Paused and Retry."""
    if settings.application_service is not UNSET:
        api.token = settings.application_service.as_token.reveal()
        return _ours(await _as_service(api, settings), settings)
    if settings.access_token is not UNSET:
        api.token = settings.access_token.reveal()
        return _ours(await _whose(api), settings)
    kept = await store.get(_TOKEN)
    if kept:
        redaction.add(kept)
        api.token = kept
        try:
            who = await _whose(api)
        except TokenRefused:
            pass
        else:
            if who.user_id == settings.user_id:
                return who
            await store.set(_DEVICE, None)  # it is another account's
    return await _by_password(api, settings, store)


async def _as_service(api: Api, settings: MatrixSettings) -> wire.WhoAmI:
    """Ours once the homeserver has read the registration; the account itself has to be made once."""
    try:
        await api.register(settings.user_id[1:].partition(":")[0])
    except TokenRefused as error:
        raise TokenRefused(
            f"{api.server.url} does not know the as_token; has it read the file that `nextbridge registration` wrote?",
            scope="instance",
        ) from error
    except Refusal as refusal:
        if refusal.code != "M_USER_IN_USE":
            reason = f"{api.server.url} does not let us be {settings.user_id} ({refusal.status}: {refusal.message})"
            raise Paused(f"{reason}; give it the registration again", scope="instance") from refusal
    return await _whose(api)


async def _by_password(api: Api, settings: MatrixSettings, store: Store) -> wire.WhoAmI:
    assert settings.password is not UNSET  # noqa: S101 - the file was checked
    api.token = ""
    try:
        made = await api.login(settings.user_id, settings.password.reveal(), await store.get(_DEVICE))
    except Refusal as refusal:
        raise _wrong_password(api, refusal) from refusal
    redaction.add(made.access_token)
    await store.set(_DEVICE, made.device_id)
    await store.set(_TOKEN, made.access_token)
    api.token = made.access_token
    return _ours(wire.WhoAmI(made.user_id, made.device_id), settings)


@asynccontextmanager
async def for_a_look(api: Api, settings: MatrixSettings, store: Store) -> AsyncIterator[None]:
    """`api` with a token, for the time of the context; nothing is kept of it. Raises Paused and Retry.

    Where there is but a password, a device is made for it that is gone with it.
    """
    is_ours = False
    if settings.application_service is not UNSET:
        api.token = settings.application_service.as_token.reveal()
    elif settings.access_token is not UNSET:
        api.token = settings.access_token.reveal()
    else:
        is_ours = not await _has_kept_token(api, store)
    if is_ours:
        assert settings.password is not UNSET  # noqa: S101 - the file was checked
        try:
            api.token = (await api.login(settings.user_id, settings.password.reveal(), None)).access_token
        except Refusal as refusal:
            raise _wrong_password(api, refusal) from refusal
    try:
        yield
    finally:
        if is_ours:
            with suppress(Refusal, DriverError):
                await api.logout()


async def _has_kept_token(api: Api, store: Store) -> bool:
    api.token = await store.get(_TOKEN) or ""
    if not api.token:
        return False
    try:
        await api.whoami()
    except TokenRefused:
        api.token = ""
        return False
    return True


def _wrong_password(api: Api, refusal: Refusal) -> Paused:
    """What a refused login means, and what to look at."""
    if refusal.status == 403:
        reason = "does not take the user_id and the password; look at both"
    else:
        reason = f"has no login by password for us ({refusal.status}: {refusal.message}); use an access_token"
    return Paused(f"{api.server.url} {reason}", scope="instance")


async def _whose(api: Api) -> wire.WhoAmI:
    try:
        return await api.whoami()
    except Refusal as refusal:
        reason = f"{api.server.url} does not tell who we are ({refusal.status}: {refusal.message})"
        raise Paused(f"{reason}; look at homeserver", scope="instance") from refusal


def _ours(who: wire.WhoAmI, settings: MatrixSettings) -> wire.WhoAmI:
    if who.user_id != settings.user_id:
        reason = (
            f"the access token is that of {who.user_id}, and the file says {settings.user_id}; put one of them right"
        )
        raise Paused(reason, scope="instance")
    return who
