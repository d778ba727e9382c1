"""Who may see and do what: every refusal with its status and error id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.conftest import Answer, Client, Town

FORBIDDEN = (403, "api.context.permissions.app_error")
UNKNOWN_ID = "a" * 26


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "users/me"),
        ("GET", "users/me/teams"),
        ("GET", f"channels/{UNKNOWN_ID}"),
        ("GET", f"channels/{UNKNOWN_ID}/posts"),
        ("POST", "posts"),
        ("POST", "files"),
        ("POST", "channels/direct"),
        ("POST", "commands/execute"),
        ("POST", "users/me/typing"),
    ],
)
async def test_a_stranger_is_asked_to_sign_in(town: Town, method: str, path: str) -> None:
    """A token that is wrong or was revoked opens nothing, and says nothing of what there is."""
    answer = await town.stranger.call(method, path, {} if method == "POST" else None)
    assert answer.error == (401, "api.context.session_expired.app_error")
    town.sandbox.revoke_token(town.alice.account)
    assert (await town.alice.call(method, path, {} if method == "POST" else None)).status == 401


async def test_a_stranger_is_told_part_of_the_client_config(town: Town) -> None:
    """And that the server is there."""
    told = (await town.stranger.get("config/client?format=old")).body
    assert told["Version"] == "5.37.0"
    assert "MaxPostSize" not in told
    assert (await town.stranger.get("system/ping")).body["status"] == "OK"
    assert (await town.relay.get("config/client")).status == 501


Ask = Callable[[Client, Town], Any]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, town: client.get(f"channels/{town.staff.id}"),
        lambda client, town: client.get(f"channels/{town.staff.id}/posts"),
        lambda client, town: client.get(f"channels/{town.staff.id}/members"),
        lambda client, town: client.post(town.staff.id, "x"),
        lambda client, town: client.call("PUT", f"channels/{town.staff.id}/patch", {"header": "x"}),
        lambda client, town: client.call("POST", f"channels/{town.staff.id}/members", {"user_id": client.account.id}),
        lambda client, town: client.call("DELETE", f"channels/{town.staff.id}"),
        lambda client, town: client.call("POST", "users/me/typing", {"channel_id": town.staff.id, "parent_id": ""}),
        lambda client, town: client.call("POST", "commands/execute", {"channel_id": town.staff.id, "command": "/me x"}),
        lambda client, town: client.call("POST", f"files?channel_id={town.staff.id}&filename=x.txt", data=b"x"),
    ],
)
async def test_a_private_channel_is_closed_to_those_who_are_not_in_it(town: Town, ask: Ask) -> None:
    """An administrator may do all of it."""
    refused: Answer = await ask(town.alice, town)
    assert refused.error == FORBIDDEN
    allowed: Answer = await ask(town.boss, town)
    assert allowed.status < 300


async def test_by_its_name_a_private_channel_does_not_exist_for_others(town: Town) -> None:
    """404, where its id answers 403."""
    by_name = "teams/name/main/channels/name/staff"
    assert (await town.alice.get(by_name)).error == (404, "app.channel.get_by_name.missing.app_error")
    assert (await town.boss.get(by_name)).body["id"] == town.staff.id


async def test_an_open_channel_shows_itself_to_its_team_and_its_posts_to_members(town: Town) -> None:
    """A member of the team who is not in the channel can look it up and join, and read nothing."""
    assert (await town.bob.get(f"channels/{town.town.id}")).status == 200
    assert (await town.bob.get(f"teams/{town.team.id}/channels/name/town")).status == 200
    assert (await town.bob.get(f"channels/{town.town.id}/posts")).error == FORBIDDEN
    assert (await town.bob.post(town.town.id, "x")).error == FORBIDDEN
    joined = await town.bob.call("POST", f"channels/{town.town.id}/members", {"user_id": town.bob.account.id})
    assert joined.status == 201
    assert (await town.bob.post(town.town.id, "x")).status == 201


async def test_somebody_of_no_team_sees_none_of_it(town: Town) -> None:
    """Neither the team nor its channels."""
    outsider = Client(town.sandbox, town.sandbox.add_user("eve"), town.http)
    assert (await outsider.get(f"channels/{town.town.id}")).error == FORBIDDEN
    assert (await outsider.get("teams/name/main")).error == FORBIDDEN
    assert (await outsider.get(f"teams/{town.team.id}")).error == FORBIDDEN
    assert (await outsider.get(f"users/me/teams/{town.team.id}/channels")).error == FORBIDDEN
    assert (await outsider.get("users/me/teams")).body == []


async def test_what_does_not_exist_is_not_found(town: Town) -> None:
    """Each kind of thing with an error id of its own."""
    expected = {
        f"users/{UNKNOWN_ID}": "app.user.missing_account.const",
        "users/username/nobody": "app.user.missing_account.const",
        f"channels/{UNKNOWN_ID}": "app.channel.get.existing.app_error",
        "teams/name/nowhere": "app.team.get_by_name.missing.app_error",
        f"teams/{UNKNOWN_ID}": "app.team.get.find.app_error",
        "teams/name/main/channels/name/nowhere": "app.channel.get_by_name.missing.app_error",
        f"posts/{UNKNOWN_ID}": "app.post.get.app_error",
        f"files/{UNKNOWN_ID}/info": "app.file_info.get.app_error",
        f"channels/{town.town.id}/members/{UNKNOWN_ID}": "app.channel.get_member.missing.app_error",
        "nothing/like/this": "api.context.404.app_error",
    }
    assert {path: (await town.boss.get(path)).error for path in expected} == {
        path: (404, error) for path, error in expected.items()
    }


@pytest.mark.parametrize("path", ["channels/town", "posts/x", "users/someone", "files/1/info", "teams/x"])
async def test_what_has_not_the_form_of_an_id_is_refused(town: Town, path: str) -> None:
    """Before it is looked for."""
    assert (await town.boss.get(path)).error == (400, "api.context.invalid_url_param.app_error")


async def test_a_body_that_is_no_json_or_not_the_right_one_is_refused(town: Town) -> None:
    """Whatever the client meant by it."""
    for data in (b"{", b"[]", b'{"message": 1}'):
        answer = await town.relay.call("POST", "posts", data=data)
        assert answer.error == (400, "api.context.invalid_body_param.app_error")


async def test_posts_and_reactions_of_others_are_not_to_be_touched(town: Town) -> None:
    """Editing, deleting, reacting in somebody's name; an administrator may delete."""
    post = town.sandbox.post_as(town.alice.account, town.town, "mine")
    assert (await town.relay.call("PUT", f"posts/{post.id}/patch", {"message": "x"})).error == FORBIDDEN
    assert (await town.relay.call("DELETE", f"posts/{post.id}")).error == FORBIDDEN
    reaction = {"user_id": town.alice.account.id, "post_id": post.id, "emoji_name": "tada"}
    assert (await town.relay.call("POST", "reactions", reaction)).error == FORBIDDEN
    assert (await town.boss.call("DELETE", f"posts/{post.id}")).status == 200
    assert (await town.relay.call("DELETE", f"posts/{post.id}")).error == FORBIDDEN


async def test_only_an_administrator_makes_hooks_and_renames_others(town: Town) -> None:
    """Everyone renames themselves."""
    hook = {"channel_id": town.town.id}
    assert (await town.alice.call("POST", "hooks/incoming", hook)).error == FORBIDDEN
    path = f"users/{town.bob.account.id}/patch"
    assert (await town.alice.call("PUT", path, {"nickname": "x"})).error == FORBIDDEN
    assert (await town.bob.call("PUT", path, {"nickname": "x"})).body["nickname"] == "x"


async def test_what_only_oneself_sees_is_not_told_to_others(town: Town) -> None:
    """Neither by the look-up nor by the frame of a change."""
    ear = await town.relay.connect()
    assert "notify_props" in (await town.alice.get("users/me")).body
    assert "notify_props" not in (await town.relay.get(f"users/{town.alice.account.id}")).body
    town.sandbox.rename(town.alice.account, nickname="Al")
    told = (await ear.until("user_updated"))["data"]["user"]
    assert told["nickname"] == "Al"
    assert "notify_props" not in told


async def test_slash_commands_take_a_right(town: Town) -> None:
    """To see, make, change and delete them; members have it not, unless it was given."""
    new = {"team_id": town.team.id, "trigger": "NB", "url": "https://example.com/nb", "method": "P"}
    made = (await town.boss.call("POST", "commands", new)).body
    assert (made["trigger"], made["creator_id"]) == ("nb", town.boss.account.id)
    one = f"commands/{made['id']}"
    asked = [
        ("GET", f"commands?team_id={town.team.id}&custom_only=true", None),
        ("POST", "commands", {**new, "trigger": "other"}),
        ("PUT", one, made),
        ("DELETE", one, None),
    ]
    for method, path, body in asked:
        assert (await town.relay.call(method, path, body)).error == FORBIDDEN, (method, path)
    town.sandbox.give_right("manage_slash_commands")
    assert [(await town.relay.call(*each)).status for each in asked] == [200, 201, 200, 200]
    town.sandbox.settings.change(EnableCommands="false")
    assert (await town.relay.call(*asked[0])).error == (501, "api.command.disabled.app_error")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"trigger": "Invite"}, "api.command.duplicate_trigger.app_error"),
        ({"trigger": ""}, "model.command.is_valid.trigger.app_error"),
        ({"trigger": "n b"}, "model.command.is_valid.trigger.app_error"),
        ({"url": "nb"}, "model.command.is_valid.url_http.app_error"),
        ({"method": "POST"}, "model.command.is_valid.method.app_error"),
        ({"display_name": "x" * 65}, "model.command.is_valid.display_name.app_error"),
    ],
)
async def test_a_slash_command_has_to_make_sense(town: Town, changes: dict[str, str], error: str) -> None:
    """A word that the server has itself is taken; a word is one word."""
    new = {"team_id": town.team.id, "trigger": "nb", "url": "https://example.com/nb", "method": "P"}
    assert (await town.boss.call("POST", "commands", {**new, **changes})).error == (400, error)
    assert town.sandbox.commands(town.team) == []


async def test_an_unknown_command_is_no_post(town: Town) -> None:
    """404; and what does not begin with a slash is no command."""
    unknown = await town.alice.call("POST", "commands/execute", {"channel_id": town.town.id, "command": "/nb x"})
    assert unknown.error == (404, "api.command.execute_command.not_found.app_error")
    no_command = await town.alice.call("POST", "commands/execute", {"channel_id": town.town.id, "command": "nb"})
    assert no_command.error == (400, "api.context.invalid_body_param.app_error")
    assert town.sandbox.posts(town.town) == []


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"{", "web.incoming_webhook.parse.app_error"),
        (b"{}", "web.incoming_webhook.text.app_error"),
    ],
)
async def test_a_webhook_says_what_it_cannot_use(town: Town, data: bytes, error: str) -> None:
    """And an unknown one is refused whatever it says."""
    hook = await town.boss.call("POST", "hooks/incoming", {"channel_id": town.town.id})
    for hook_id, expected in ((hook.body["id"], error), (UNKNOWN_ID, "web.incoming_webhook.invalid.app_error")):
        async with town.http.post(f"{town.sandbox.url}/hooks/{hook_id}", data=data) as response:
            assert (response.status, (await response.json())["id"]) == (400, expected)


async def test_direct_and_group_channels_are_for_those_who_open_them(town: Town) -> None:
    """Two users make a direct channel, three to eight a group; others cannot be brought together by somebody else."""
    alice, bob, relay = (client.account.id for client in (town.alice, town.bob, town.relay))
    assert (await town.alice.call("POST", "channels/direct", [bob, relay])).error == FORBIDDEN
    assert (await town.alice.call("POST", "channels/direct", [alice])).status == 400
    first = await town.alice.call("POST", "channels/direct", [alice, relay])
    again = await town.relay.call("POST", "channels/direct", [relay, alice])
    assert (first.status, again.body["id"]) == (201, first.body["id"])
    assert (await town.alice.call("POST", "channels/group", [alice, bob])).status == 400
    group = await town.alice.call("POST", "channels/group", [bob, relay])
    assert (group.status, group.body["type"]) == (201, "G")
    assert (await town.boss.call("DELETE", f"channels/{group.body['id']}")).status == 400
    added = await town.boss.call("POST", f"channels/{group.body['id']}/members", {"user_id": bob})
    assert added.error == (400, "api.channel.add_members_to_channel.direct_or_group.app_error")
