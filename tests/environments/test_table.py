"""The table of broken environments: for each the test that holds the commands to what they have to say.

Broken files have tables of their own, in tests/config/mistakes.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.environments.test_servers import TOLD

_FILES, _MACHINE = "environments/test_files.py", "environments/test_machine.py"
_DISK, _DAMAGE, _PROBE = "core/test_disk.py", "journal/test_damage.py", "mattermost/test_probe.py"
_DOUBTS = "core/test_doubts.py"
_REFERRED, _WHOLE = "test_what_a_file_refers_to_is_told_in_one_report", "test_a_file_that_cannot_be_used_is_told"
_POOR, _STATE = "test_a_poor_environment_changes_nothing", "test_a_state_folder_that_cannot_be_made_or_used"
_PLACE, _LISTEN = "test_a_journal_that_may_not_be_written", "test_a_place_where_the_http_server_cannot_listen"
_NOBODY = "test_a_command_finds_no_daemon"
SERVERS = {each.replace("_", " ") for each in TOLD}
"""Each is told by `check --online` and by the log, in tests/environments/test_servers.py."""
TABLE = {
    "a variable that is not set": (_FILES, _REFERRED),
    "a variable that is empty": (_FILES, _REFERRED),
    "a token with spaces, from a variable": (_FILES, _REFERRED),
    "a secret's file that is missing": (_FILES, _REFERRED),
    "a folder in its place": (_FILES, _REFERRED),
    "a pipe in its place": (_FILES, _REFERRED),
    "a secret's file that may not be read": (_FILES, _REFERRED),
    "a secret's file that is empty": (_FILES, _REFERRED),
    "a secret's file of two lines": (_FILES, _REFERRED),
    "a secret's file that is not UTF-8": (_FILES, _REFERRED),
    "a secret's file that is too large to be one": (_FILES, _REFERRED),
    "a credential that systemd was not given": (_FILES, _REFERRED),
    "credentials outside systemd": ("config/test_mistakes.py", "test_a_mistake_in_an_instance_is_told"),
    "a secret's file that everybody can read": (
        "config/test_secrets.py",
        "test_a_secret_file_that_everybody_can_read_is_a_warning",
    ),
    "no file of the operator's": (_FILES, _WHOLE),
    "a folder in the file's place": (_FILES, _WHOLE),
    "a file that may not be read": (_FILES, _WHOLE),
    "a file in a folder that may not be looked into": (_FILES, "test_a_folder_that_cannot_be_looked_into_is_told"),
    "a link that leads to itself": (_FILES, _WHOLE),
    "an empty file": (_FILES, _WHOLE),
    "a file in UTF-16": (_FILES, _WHOLE),
    "a file in Latin-1": (_FILES, _WHOLE),
    "a file without end": (_FILES, _WHOLE),
    "rules in two places": (_FILES, _WHOLE),
    "a platform that is not installed": (_FILES, _WHOLE),
    "a platform whose library is not installed": (
        "config/test_loading.py",
        "test_what_a_platform_lacks_is_said_and_its_settings_are_checked_all_the_same",
    ),
    "the locale C": (_FILES, _POOR),
    "a locale that is not installed": (_FILES, _POOR),
    "a byte order mark, and a terminal of ASCII": (_FILES, _POOR),
    "no home": (_FILES, _POOR),
    "a state folder that may not be made": (_MACHINE, _STATE),
    "a state folder that may not be written": (_MACHINE, _STATE),
    "a file in the state folder's way": (_MACHINE, _STATE),
    "a place where there can be no folder": (_MACHINE, _STATE),
    "a path that is too long": (_MACHINE, _STATE),
    "a path that is too long for a socket": ("core/test_control.py", "test_a_path_longer_than_any_address"),
    "a place where there can be no socket": (
        "core/test_control.py",
        "test_a_place_where_no_socket_can_be_is_told_and_nothing_else_happens",
    ),
    "a journal that may not be written": (_MACHINE, _PLACE),
    "a folder in the journal's place": (_MACHINE, _PLACE),
    "a journal on what is mounted read-only": (_DISK, "test_a_state_that_cannot_be_written"),
    "a disk that is full": (_DISK, "test_a_disk_that_is_full_before_the_start"),
    "a disk that becomes full": (_DISK, "test_a_disk_that_is_full"),
    "a file that may not grow": (_DISK, "test_a_file_that_may_not_grow"),
    "a journal that is no database": (_DISK, "test_a_journal_that_is_damaged"),
    "a journal that makes no sense": (_DISK, "test_damage_that_is_found_later"),
    "a journal that was cut short": (_DAMAGE, "test_a_truncated_file"),
    "a journal with a corrupt page": (_DAMAGE, "test_a_corrupt_page"),
    "a journal of a newer version": (_DAMAGE, "test_a_newer_version"),
    "another program's database": (_DAMAGE, "test_another_programs_database"),
    "a state folder that another daemon holds": (_MACHINE, "test_a_state_folder_that_another_daemon_holds"),
    "a port that is taken": (_MACHINE, _LISTEN),
    "a port that is the system's": (_MACHINE, _LISTEN),
    "another machine's address": (_MACHINE, _LISTEN),
    "an address by a name of nobody": (_MACHINE, _LISTEN),
    "a port that is taken when the file is read again": (
        "core/test_in_force.py",
        "test_a_file_whose_port_is_taken_is_refused_whole",
    ),
    "few open files": (_MACHINE, "test_a_limit_of_open_files_that_is_too_low"),
    "a full disk behind the output": (_MACHINE, "test_output_that_cannot_be_written"),
    "a reader of the output that goes": (_MACHINE, "test_a_reader_that_has_enough_ends_the_output"),
    "closed streams": (_MACHINE, "test_a_daemon_whose_streams_are_closed_runs_and_keeps_its_journal"),
    "no daemon": (_MACHINE, _NOBODY),
    "a folder of something else": (_MACHINE, _NOBODY),
    "a state folder that may not be looked into": (_MACHINE, _NOBODY),
    "a killed daemon's socket": ("core/test_control.py", "test_a_killed_daemons_socket_is_replaced"),
    "no journald": ("systemd/test_journald.py", "test_the_log_is_not_lost_where_no_journald_listens"),
    "a deaf systemd": ("systemd/test_notify.py", "test_a_deaf_systemd_does_not_hurt"),
    "this machine's clock is wrong": (_DOUBTS, "test_clocks_that_differ_are_found"),
    "names that the server does not let be shown": (_PROBE, "test_what_the_server_withholds_is_explained"),
    "localhost in a container": (
        _DOUBTS,
        "test_a_container_that_is_asked_for_its_own_localhost_is_named",
    ),
    "an IRC server that refuses the login": ("irc/test_probing.py", "test_a_refused_login_is_found"),
    "an IRC server that is not there": ("irc/test_probing.py", "test_a_server_that_is_not_there_is_found"),
}


def test_every_environment_has_a_test() -> None:
    """Which is there under that name."""
    tests = Path(__file__).parents[1]
    known: dict[str, set[str]] = {}
    for file, name in TABLE.values():
        if file not in known:
            tree = ast.parse((tests / file).read_text())
            known[file] = {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in known[file], f"{file} has no {name}"
    assert not TABLE.keys() & SERVERS
    assert len(TABLE) + len(SERVERS) >= 60
