"""A platform of the tests' own, and a folder to put the operator's files into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from msgspec import UNSET, Meta

from nextbridge import config, markup
from nextbridge.config.loader import Loaded
from nextbridge.config.platforms import PlatformUnusable
from nextbridge.config.types import Duration, NonBlank, Off, OptionalProxy, Secret, Settings
from nextbridge.driver import (
    Acknowledgement,
    Driver,
    Finding,
    Guarantees,
    Limits,
    Outgoing,
    Receipt,
    Remark,
    RetryRecognition,
)
from nextbridge.envelope import ChannelKey, InstanceId
from nextbridge.errors import ConfigError


class PigeonSettings(Settings, frozen=True):
    """A loft."""

    address: Annotated[NonBlank, Meta(description="Where the loft is. It has a roof.")]
    token: Annotated[Secret, Meta(description="What opens the loft.")]
    password: Secret | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] = 443
    speed: float = 1.5
    tls: bool = True
    breed: Literal["homing", "racing"] = "homing"
    names: tuple[str, ...] = ()
    rest: Duration = "15min"
    patience: Duration | Off = 0
    proxy: OptionalProxy = UNSET


class PigeonChannel(Settings, frozen=True):
    """A perch."""

    perch: NonBlank
    key: Secret | None = None


class PigeonDriver(Driver[PigeonSettings, PigeonChannel]):
    platform: ClassVar[str] = "pigeon"
    title: ClassVar[str] = "Pigeon post"
    settings_type: ClassVar[type[Settings]] = PigeonSettings
    channel_type: ClassVar[type[Settings]] = PigeonChannel
    dialect: ClassVar[markup.Dialect] = markup.PLAIN
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.NONE, retry_recognised_by=RetryRecognition.NONE, history="nothing"
    )

    @classmethod
    def channel_key(cls, settings: PigeonChannel) -> ChannelKey:
        return ChannelKey(settings.perch.lower())

    @classmethod
    def remarks(cls, settings: PigeonSettings) -> Iterable[Remark]:
        if settings.address.endswith("/"):
            yield Remark(("address",), "the final slash is left out", fatal=False)
        if " " in settings.token.reveal():
            yield Remark(("token",), "it has a space inside")

    @classmethod
    def channel_remarks(cls, channel: PigeonChannel, _settings: PigeonSettings) -> Iterable[Remark]:
        if channel.perch.startswith("!"):
            yield Remark(("perch",), "a perch begins with a letter")

    def limits(self, _channel: ChannelKey) -> Limits:
        return Limits(text=100)

    async def run(self) -> None: ...

    async def send(self, _message: Outgoing) -> Receipt:
        return Receipt()

    async def probe(self) -> list[Finding]:
        return []


class OtherSettings(Settings, frozen=True):
    """A lamp."""

    lamp: str = "red"


class OtherChannel(Settings, frozen=True):
    """A hill."""

    hill: str


class BeaconDriver(Driver[OtherSettings, OtherChannel]):
    platform: ClassVar[str] = "beacon"
    title: ClassVar[str] = "Beacons"
    settings_type: ClassVar[type[Settings]] = OtherSettings
    channel_type: ClassVar[type[Settings]] = OtherChannel
    dialect: ClassVar[markup.Dialect] = markup.PLAIN
    guarantees: ClassVar[Guarantees] = PigeonDriver.guarantees

    @classmethod
    def channel_key(cls, settings: OtherChannel) -> ChannelKey:
        return ChannelKey(settings.hill)

    def limits(self, _channel: ChannelKey) -> Limits:
        return Limits(text=1)

    async def run(self) -> None: ...

    async def send(self, _message: Outgoing) -> Receipt:
        return Receipt()

    async def probe(self) -> list[Finding]:
        return []


class TestPlatforms:
    """Registers the tests' drivers, and one whose package is not installed."""

    __test__ = False

    def __init__(self) -> None:
        self.imported: list[str] = []
        self.lacks: dict[str, PlatformUnusable] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return ("beacon", "broken", "pigeon")

    def get(self, name: str) -> type[Driver[Any, Any]]:
        self.imported.append(name)
        if name == "broken":
            raise PlatformUnusable("the driver of broken cannot be imported", "pip install 'broken[wings]'")
        return PigeonDriver if name == "pigeon" else BeaconDriver

    def lack(self, name: str) -> PlatformUnusable | None:
        return self.lacks.get(name)


class Folder:
    """The operator's folder: files to write, and what loading gives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.platforms = TestPlatforms()

    def write(self, text: str | bytes, name: str = "config.json", mode: int = 0o600) -> Path:
        path = self.path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def load(self, name: str = "config.json", environment: Mapping[str, str] | None = None) -> Loaded:
        return config.load(self.path / name, environment=environment or {}, platforms=self.platforms)

    def pigeon(self, loaded: Loaded, instance: str) -> PigeonSettings:
        """The settings of a pigeon post's instance."""
        settings = loaded.config.instances[InstanceId(instance)].settings
        assert isinstance(settings, PigeonSettings)
        return settings

    def report(self, name: str = "config.json", environment: Mapping[str, str] | None = None) -> list[str]:
        """The first line of each problem of a file that cannot be used, without the folder."""
        with pytest.raises(ConfigError) as caught:
            self.load(name, environment)
        return [
            f"{each.place.removeprefix(f'{self.path}/')}: {each.severity}: {each.sentence}"
            for each in caught.value.problems
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
