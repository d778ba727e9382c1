"""A file of Matterbridge's becomes one of ours: what it relays is relayed, and whatever is not is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nextbridge import config
from nextbridge.convert import ConversionError, Converted, from_matterbridge, in_notation

ACCOUNTS = """
[irc.libera]
Server="irc.libera.chat:6697"
UseTLS=true
Nick="bridge"
NickServNick="bridgeacct"
NickServPassword="green bottles"
UseSASL=true
[mattermost.work]
Server="chat.example.com"
Team="main"
Token="abcdefghijklmnopqrstuvwxyz"
[xmpp.jabber]
Server="jabber.example.com:5222"
Jid="u@example.com"
Password="brown bottles"
Muc="conference.example.com"
Nick="bridge"
"""
GATEWAY = """
[[gateway]]
name="ops"
enable=true
[[gateway.inout]]
account="irc.libera"
channel="#ops"
[[gateway.inout]]
account="mattermost.work"
channel="ops"
"""
NAMED = """
[discord.d]
Token="a.b.c"
[[gateway]]
name="x"
[[gateway.in]]
account="discord.d"
channel="general"
[[gateway.out]]
account="irc.libera"
channel="#x"
"""


def notes(made: Converted) -> dict[str, str]:
    return {each.place: each.sentence for each in made.notes}


def loaded(folder: Path, made: Converted, **environment: str) -> Any:
    """The file, as the program reads it. Raises ConfigError."""
    path = folder / "config.json"
    path.write_text(in_notation(made.file, "json"))
    path.chmod(0o600)
    return config.load(path, environment=environment)


def test_a_usual_file_needs_nothing_to_be_done(tmp_path: Path) -> None:
    """Accounts become instances, the gateway a rule; `check` has nothing to say."""
    made = from_matterbridge(ACCOUNTS + GATEWAY)
    assert made.notes == ()
    read = loaded(tmp_path, made)
    assert read.warnings == ()
    (rule,) = read.config.rules
    assert (rule.id, rule.kind, rule.enabled) == ("ops", "connect", True)
    assert [each.instance for each in rule.sources] == ["libera", "work"]
    assert rule.sources[0].key == "#ops"
    assert rule.sources[1].settings.channel == "ops"
    libera = read.config.instances["libera"].settings
    assert (libera.host, libera.port, libera.tls, libera.sasl.username) == ("irc.libera.chat", 6697, True, "bridgeacct")
    assert libera.sasl.password.reveal() == "green bottles"
    assert read.config.instances["work"].settings.server_url == "https://chat.example.com"


def test_the_account_of_quakenets_service_is_the_one_that_logs_in(tmp_path: Path) -> None:
    """NickServUsername is the account where NickServNick is a service that is told both."""
    asked = ACCOUNTS.replace(
        'NickServNick="bridgeacct"', 'NickServNick="Q@CServe.quakenet.org"\nNickServUsername="own"'
    )
    read = loaded(tmp_path, from_matterbridge(asked + GATEWAY))
    assert read.config.instances["libera"].settings.sasl.username == "own"


def test_each_platform_that_both_have_is_one_that_check_takes(tmp_path: Path) -> None:
    """With its channels as Matterbridge writes them."""
    more = """
[slack.hobby]
Token="xoxb-1234567890-abcdefghij"
[discord.game]
Token="Bot discord.token.of-nobody"
AutoWebhooks=true
[telegram.tg]
Token="123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
[matrix.hs]
Server="https://matrix.example.com"
Login="relay"
Password="a password"
[api.games]
BindAddress="127.0.0.1:4242"
Token="a token of sixteen"
Buffer=1000
[[gateway]]
name="all"
enable=true
""" + "".join(
        f'[[gateway.inout]]\naccount="{account}"\nchannel="{channel}"\n'
        for account, channel in (
            ("slack.hobby", "general"),
            ("discord.game", "ID:1098765432109876543"),
            ("telegram.tg", "-1001234567890/7"),
            ("matrix.hs", "#ops:example.com"),
            ("api.games", "api"),
            ("xmpp.jabber", "ops"),
        )
    )
    made = from_matterbridge(ACCOUNTS + more)
    read = loaded(tmp_path, made, HOBBY_APP_TOKEN="xapp-1-A111-222-abcdef")
    keys = {str(each.instance): each.key for each in read.config.rules[0].sources}
    assert keys["game"] == "1098765432109876543"
    assert keys["jabber"] == "ops@conference.example.com"
    assert keys["games"] == "all", "a program of its API names the gateway"
    assert read.config.instances["hs"].settings.user_id == "@relay:matrix.example.com"
    assert notes(made).keys() == {"slack.hobby Token", "matrix.hs Login", "api.games BindAddress 127.0.0.1:4242"}


def test_what_only_comes_in_or_goes_out_is_forwarded(tmp_path: Path) -> None:
    """From each `in` and `inout` to each `out` and `inout`; a channel in both lists is like one in `inout`."""
    text = (
        ACCOUNTS
        + """
[[gateway]]
name="ops"
enable=true
[[gateway.in]]
account="irc.libera"
channel="#in"
[[gateway.in]]
account="irc.libera"
channel="#both"
[[gateway.out]]
account="irc.libera"
channel="#both"
[[gateway.inout]]
account="mattermost.work"
channel="ops"
[[gateway.out]]
account="xmpp.jabber"
channel="out"
"""
    )
    rules = loaded(tmp_path, from_matterbridge(text)).config.rules
    shown = [(rule.kind, {each.key for each in rule.sources}, {each.key for each in rule.targets}) for rule in rules]
    town = next(each.key for each in rules[0].sources if each.instance == "work")
    out = "out@conference.example.com"
    assert shown == [
        ("connect", {town, "#both"}, {town, "#both"}),
        ("forward", {"#in"}, {town, "#both", out}),
        ("forward", {town, "#both"}, {out}),
    ]
    assert [rule.id for rule in rules] == ["ops", "ops-2", "ops-3"]


def test_channels_of_one_name_are_a_rule_each(tmp_path: Path) -> None:
    """What is not enabled stays so, as it is where nothing says that it is."""
    text = (
        ACCOUNTS
        + """
[[samechannelgateway]]
name="same"
accounts=["mattermost.work", "xmpp.jabber"]
channels=["a", "b"]
"""
    )
    rules = loaded(tmp_path, from_matterbridge(text)).config.rules
    assert [(rule.id, rule.enabled, len(rule.sources)) for rule in rules] == [
        ("same-a", False, 2),
        ("same-b", False, 2),
    ]


def test_formats_and_filters_are_taken_over(tmp_path: Path) -> None:
    """Names stand on the message where the platform can; what people are ignored by stays a pattern."""
    text = (
        ACCOUNTS.replace('Nick="bridge"\nNickServ', 'Nick="bridge"\nShowJoinPart=true\nNickServ')
        + """
[general]
RemoteNickFormat="[{PROTOCOL}] <{NICK}> "
IgnoreNicks="spam.* robot"
IgnoreMessages="^~~"
ReplaceMessages=[ ["(cat)s", "$1 ${1} $$5 a\\\\b"] ]
"""
        + GATEWAY
    )
    made = from_matterbridge(text)
    (rule,) = made.file["rules"]
    formats = [each["msg"] for each in rule["channels"]]
    assert formats == [
        {"msg_format": "[{platform}] <{nickname}> {msg}"},
        {"name_format": "[{platform}] <{nickname}>"},
    ]
    assert rule["joins"] is True
    assert rule["filter"] == {
        "ignore_names": ["spam.*", "robot"],
        "ignore_text": ["^~~"],
        "replace": [{"pattern": "(cat)s", "with": "\\1 \\1 $5 a\\\\b"}],
    }
    assert loaded(tmp_path, made).warnings == ()
    assert made.notes == ()


@pytest.mark.parametrize(
    ("more", "place", "told"),
    [
        ('[tengo]\nInMessage="a.tengo"', "tengo", "scripts are not run"),
        ('[zulip.z]\nToken="x"', "zulip.z", "no driver"),
        ('[general]\nStripNick=true', "general StripNick", "as people chose them"),
        ('[general]\nFrobnicate=7', "general Frobnicate", "has no counterpart"),
        ('[general]\nRemoteNickFormat="{LABEL} {NICK}"', "irc.libera RemoteNickFormat", "{LABEL}"),
        (NAMED, "gateway x in discord.d general", "Copy Channel ID"),
        ('[[gateway]]\nname="x"\n[[gateway.in]]\naccount="irc.away"\nchannel="#x"', "gateway x", "nothing is left"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_named(more: str, place: str, told: str) -> None:
    """Where it stood, and what becomes of it; what is off needs no word."""
    made = from_matterbridge(ACCOUNTS + GATEWAY + more + "\n")
    assert told in notes(made)[place]
    assert from_matterbridge(ACCOUNTS + GATEWAY + "[general]\nStripNick=false\n").notes == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[irc", "no TOML"),
        ("a=1", "no account"),
        ("[irc.x]\nServer=[1]", "is no string"),
        ("[general]\n[[gateway]]\ninout=7", "no list of tables"),
        ("general=1", "general is no table"),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, told: str) -> None:
    """With what is wrong."""
    with pytest.raises(ConversionError, match=told):
        from_matterbridge(text)


def test_a_dollar_in_a_secret_stays_one(tmp_path: Path) -> None:
    """Our file would look for a variable of the environment otherwise."""
    made = from_matterbridge((ACCOUNTS + GATEWAY).replace("green bottles", "a${b}c"))
    assert loaded(tmp_path, made).config.instances["libera"].settings.sasl.password.reveal() == "a${b}c"


def test_accounts_of_one_name_are_told_apart() -> None:
    """Our instances have one name each, whatever the platform."""
    text = '[irc.x]\nServer="a"\nNick="n"\n[telegram.x]\nToken="1:a"\n[slack.rules]\nToken="xoxb-1"\n'
    made = from_matterbridge(text)
    assert json.dumps(made.file).count("_x") >= 2
    assert list(made.file["irc"]) == ["irc_x"]
    assert list(made.file["slack"]) == ["slack_rules"]
