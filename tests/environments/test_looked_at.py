"""The table of docs/check.md: for each platform and thing that `check --online` looks at, the test that shows it."""

from __future__ import annotations

import ast
from pathlib import Path

CLONE = Path(__file__).parents[2]
NEVER = None
"""There is nothing to look at: the page says why."""
_CONTRACT = "nextbridge/sandbox/contract/connecting.py"
_DOUBTS = "tests/core/test_doubts.py"
_MATTERMOST, _SLACK, _DISCORD = "tests/mattermost/test_probe.py", "tests/slack/", "tests/discord/test_connecting.py"
_TELEGRAM, _MATRIX, _IRC = "tests/telegram/", "tests/matrix/test_login.py", "tests/irc/test_probing.py"
_SCOPES = (f"{_SLACK}test_sending.py", "test_a_probe_names_the_scopes_that_are_needed")
_RIGHTS = (_DISCORD, "test_a_look_says_what_the_bot_may_not_do")
_MEMBERS = (f"{_TELEGRAM}test_probe.py", "test_what_members_may_not_send_is_told")
_ROOMS = (_MATRIX, "test_a_probe_says_what_each_room_lacks")
_THERE = (_CONTRACT, "test_a_probe_finds_that_nobody_is_there")
PLATFORMS = ("Mattermost", "Slack", "Discord", "Telegram", "Matrix", "XMPP", "IRC")
TABLE: dict[str, tuple[tuple[str, str] | None, ...]] = {
    "name, port, certificate, proxy": ((_DOUBTS, "test_a_certificate_that_nobody_vouches_for_is_named"),) * 7,
    "token or login": ((_CONTRACT, "test_a_probe_finds_a_refused_login"),) * 7,
    "events come: what stands between lets a WebSocket through": (
        (_MATTERMOST, "test_a_proxy_that_lets_no_websocket_through_is_named_as_that"),
        (f"{_SLACK}test_socket.py", "test_a_look_says_that_socket_mode_is_off"),
        (_DISCORD, "test_a_proxy_that_lets_no_websocket_through_is_named_as_that"),
        (f"{_TELEGRAM}test_webhook.py", "test_asking_for_updates_ends_our_own_webhook_and_no_other"),
        _THERE,
        _THERE,
        _THERE,
    ),
    "each channel is there, and the relay in it": ((_CONTRACT, "test_a_probe_finds_a_closed_channel"),) * 7,
    "may post": (
        (_MATTERMOST, "test_what_messages_need_is_a_fault_where_it_is_missing"),
        _SCOPES,
        _RIGHTS,
        _MEMBERS,
        _ROOMS,
        NEVER,
        NEVER,
    ),
    "may upload, and how much": (
        (_MATTERMOST, "test_what_messages_need_is_a_fault_where_it_is_missing"),
        _SCOPES,
        _RIGHTS,
        _MEMBERS,
        _ROOMS,
        ("tests/xmpp/test_probing.py", "test_what_files_the_server_takes_is_said"),
        NEVER,
    ),
    "shows authors' own names": (
        (_MATTERMOST, "test_what_the_server_withholds_is_explained"),
        _SCOPES,
        _RIGHTS,
        NEVER,
        NEVER,
        NEVER,
        NEVER,
    ),
    "the clocks agree": (
        *((_DOUBTS, "test_clocks_that_differ_are_found"),) * 5,
        ("tests/xmpp/test_probing.py", "test_a_clock_that_differs_is_found"),
        (_IRC, "test_a_clock_that_differs_is_found"),
    ),
    "`localhost` meant another machine than the container": (
        (_DOUBTS, "test_a_container_that_is_asked_for_its_own_localhost_is_named"),
    )
    * 7,
}
NOTHING = {"never", "shows at the joining", "messages hold text alone"}
"""What the page says where there is nothing to look at, beside what is `always` so."""


def rows() -> list[list[str]]:
    """Those of the page's table, its head first."""
    lines = (CLONE / "docs/check.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if set(row) != {"---"}]


def test_the_page_has_this_table() -> None:
    """No platform, row or cell more or less; where nothing is looked at, that is what it says."""
    head, *table = rows()
    assert tuple(head[1:]) == PLATFORMS
    assert [row[0] for row in table] == list(TABLE)
    for what, *cells in table:
        assert len(TABLE[what]) == len(PLATFORMS)
        for platform, cell, shown in zip(PLATFORMS, cells, TABLE[what], strict=True):
            assert (shown is NEVER) == (cell in NOTHING or cell.endswith("always")), (what, platform, cell)


def test_every_cell_has_a_test() -> None:
    """Which is there under that name."""
    for file, name in {each for cells in TABLE.values() for each in cells if each is not NEVER}:
        tree = ast.parse((CLONE / file).read_text())
        known = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in known, f"{file} has no {name}"
