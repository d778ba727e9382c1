"""What a driver's class says of itself, offline: its names, its settings, its guarantees and its capabilities."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import jsonschema
import msgspec

from nextbridge.config.platforms import InstalledPlatforms
from nextbridge.config.schemas import PlatformSchema
from nextbridge.config.types import Secret
from nextbridge.driver import Guarantees, Limits, RetryRecognition
from nextbridge.markup import PLAIN, RichText
from nextbridge.sandbox.contract.bench import CAPABILITIES, Bench, Situation
from nextbridge.sandbox.contract.needs import needs_of, tests_of
from nextbridge.sandbox.contract.offline import offline
from nextbridge.template import Variable, parse

__all__ = ["Declares"]

_SECRET_NAME = re.compile(r"(^|_)(token|password|passphrase|passwd|secret|key)$")


class Declares:
    """Tests of the class alone; nothing is started."""

    bench_type: ClassVar[type[Bench]]

    def test_its_name_is_the_one_it_is_registered_under(self) -> None:
        """The key of its block in the operator's file is its entry point's name, and people have a name for it too."""
        driver = self.bench_type.driver
        assert driver.platform in InstalledPlatforms().names
        assert InstalledPlatforms().get(driver.platform) is driver
        assert driver.title.strip()

    def test_its_libraries_are_imported_only_when_an_instance_is_made(self) -> None:
        """A file is read and checked where they are not installed, and they cost nothing before they are used."""
        driver = self.bench_type.driver
        if driver.libraries:
            program = f"import sys, {driver.__module__}; print(*sorted(sys.modules.keys() & set({driver.libraries!r})))"
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            command = [sys.executable, "-c", program]
            run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - ours
            assert run.stdout.split() == []

    def test_its_settings_make_a_schema_that_takes_the_example(self) -> None:
        """An editor can check an instance and a channel, and what a person would write passes."""
        schema, (instance, channel) = self._schema(), self.bench_type.example
        for part, block in ((schema.instance, instance), (schema.channel, channel)):
            whole = schema.standing_alone(part)
            jsonschema.Draft202012Validator.check_schema(whole)
            jsonschema.validate(block, whole)

    def test_every_setting_is_described(self) -> None:
        """An editor shows for each key what it is for."""
        schema = self._schema()
        for part in (schema.instance, schema.channel):
            silent = [key for key, value in part["properties"].items() if not _described(value, schema.definitions)]
            assert silent == []

    def test_a_key_that_it_does_not_know_is_refused(self) -> None:
        """A misspelt key of an instance or a channel is no setting that is silently without effect."""
        kinds = (self.bench_type.driver.settings_type, self.bench_type.driver.channel_type)
        for kind, block in zip(kinds, self.bench_type.example, strict=True):
            self.bench_type.convert(kind, block)
            try:
                self.bench_type.convert(kind, {**block, "no_such_key": 1})
            except msgspec.ValidationError:
                continue
            raise AssertionError(f"{kind.__name__} takes a key that it does not know")

    def test_what_is_secret_is_a_secret(self) -> None:
        """A token or a password is of the type that never shows itself."""
        driver = self.bench_type.driver
        fields = [*_fields(driver.settings_type), *_fields(driver.channel_type)]
        assert fields
        assert [name for name, kinds in fields if _SECRET_NAME.search(name) and Secret not in kinds] == []

    def test_its_settings_show_no_secret(self) -> None:
        """A structure that is printed by mistake tells nothing."""
        example, _ = self.bench_type.example
        settings = self.bench_type.convert(self.bench_type.driver.settings_type, example)
        secrets = [value for name, value in example.items() if _SECRET_NAME.search(name)]
        assert [secret for secret in secrets if str(secret) in f"{settings!r}{settings}"] == []

    def test_the_example_is_without_fault(self) -> None:
        """What a person would write is not remarked upon as an error."""
        driver, (block, room) = self.bench_type.driver, self.bench_type.example
        settings = self.bench_type.convert(driver.settings_type, block)
        channel = self.bench_type.convert(driver.channel_type, room)
        remarks = [*driver.remarks(settings), *driver.channel_remarks(channel, settings)]
        assert [remark.text for remark in remarks if remark.fatal] == []

    def test_its_guarantees_are_declared(self) -> None:
        """The table of the docs has a word for everything, and a key's life is said where there is a key alone."""
        guarantees = self.bench_type.driver.guarantees
        assert isinstance(guarantees, Guarantees)
        assert guarantees.history.strip()
        assert guarantees.retry_key_lives is None or guarantees.retry_key_lives > 0
        if guarantees.retry_recognised_by is RetryRecognition.KEY_THEN_MARK:
            assert guarantees.retry_key_lives is not None

    def test_its_formats_are_templates_that_show_the_message(self) -> None:
        """Where an operator sets nothing, the author's name and the message are shown."""
        for text in (self.bench_type.driver.default_format, self.bench_type.driver.action_format):
            variables = [part.name for part in parse(text).parts if isinstance(part, Variable)]
            assert "msg" in variables
            assert {"nickname", "username", "user"} & set(variables)

    def test_a_channels_key_comes_of_its_settings_alone(self) -> None:
        """It is equal for equal settings, is not empty, and is found without the server."""
        driver, (_, block) = self.bench_type.driver, self.bench_type.example
        one, other = (self.bench_type.convert(driver.channel_type, block) for _ in range(2))
        with offline():
            assert driver.channel_key(one) == driver.channel_key(other) == driver.channel_key(one)
        assert driver.channel_key(one)

    def test_making_it_does_nothing_yet(self) -> None:
        """No socket and no file is opened by making a driver, by its limits or by a name that it shows."""
        self.bench_type.offline()  # what it imports when it is first made is loaded
        with offline():
            driver = self.bench_type.offline()
            limits = driver.limits(driver.channels[0].key)
            driver.display_name("Zoë")
            list(driver.remarks(driver.settings))
        assert isinstance(limits, Limits)
        assert limits.text > 0

    def test_its_dialect_keeps_what_was_typed(self) -> None:
        """A text that is written and read again says the same."""
        dialect = self.bench_type.driver.dialect
        assert dialect.name
        for text in ("hello", "*not bold* _not italic_ `no code`", "1 < 2 && 3 > 2", "grüße 🚀"):
            assert PLAIN.write(dialect.read(dialect.write(RichText.plain(text).blocks)).blocks) == text

    def test_every_capability_is_shown_or_has_its_reason(self) -> None:
        """What the class implements has a test of this suite; for what it does not, the platform's reason is given."""
        bench = self.bench_type
        implemented = set(bench.implemented())
        shown = {need for _, test in tests_of(type(self)) for need in needs_of(test)}
        assert implemented - shown == set(), "implemented, and no test of the suite shows it"
        assert implemented & bench.without.keys() == set(), "implemented, and said to be missing"
        assert {*bench.lacking, *bench.depends} <= implemented, "not implemented, and said to depend on the server"
        assert all(reason.strip() for reason in (*bench.lacking.values(), *bench.depends.values()))
        missing = [each for each in CAPABILITIES if each not in implemented and not bench.without.get(each, "").strip()]
        assert missing == [], "neither implemented nor given a reason"

    def test_every_situation_that_cannot_arise_has_its_reason(self) -> None:
        """What the suite does not try on this platform, it leaves out for a reason that can be read."""
        situations = {each: reason for each, reason in self.bench_type.without.items() if isinstance(each, Situation)}
        assert [each for each, reason in situations.items() if not reason.strip()] == []
        assert self.bench_type.without.keys() <= {*CAPABILITIES, *Situation}

    def _schema(self) -> PlatformSchema:
        return PlatformSchema.of(self.bench_type.driver.platform, self.bench_type.driver)


def _described(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    """Whether a schema says what it is for, itself or in what it is made of."""
    if "description" in schema:
        return True
    if "$ref" in schema:
        return _described(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return any(_described(each, definitions) for kind in ("anyOf", "allOf", "oneOf") for each in schema.get(kind, ()))


def _fields(kind: type[msgspec.Struct]) -> Iterator[tuple[str, Sequence[type]]]:
    """The name of each field of a structure, and of those inside it, with the types that its value may have."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        types = [*_types(field.type)]
        yield field.encode_name, [each.cls for each in types if isinstance(each, msgspec.inspect.CustomType)]
        for each in types:
            if isinstance(each, msgspec.inspect.StructType):
                yield from _fields(each.cls)


def _types(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    match info:
        case msgspec.inspect.Metadata(type=inner):
            yield from _types(inner)
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                yield from _types(each)
        case _:
            yield info
