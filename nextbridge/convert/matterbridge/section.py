"""A section of Matterbridge's file, which notes what was taken from it: the rest is told to the operator."""

from __future__ import annotations

from typing import Any

from nextbridge.convert.conversion import ConversionError, Note

__all__ = ["Section", "lower_keys"]

_WITHOUT_COUNTERPART = {
    "charset": "everything is UTF-8",
    "colornicks": "names are not coloured",
    "editdisable": "edits are relayed as edits",
    "editsuffix": "edits are relayed as edits, so nothing marks them",
    "extractnicks": "another relay's messages are shown as they are; filter.replace can change them",
    "htmldisable": 'formatting is written as each platform has it; filter.formatting: "strip" takes it out of a rule',
    "iconurl": "each author's own picture is shown where the platform can",
    "ignorefailureonstart": "an instance that cannot connect never stops the others",
    "joindelay": "channels are joined as fast as the server lets us",
    "label": "there are no labels; write the words into the format",
    "logfile": "the log goes to standard error, or into systemd's journal",
    "mediadownloadblacklist": 'there is no such list; filter.files: "strip" keeps all files out of a rule',
    "mediadownloadpath": "the daemon serves files itself: global.base_url and global.media_keep",
    "mediaserverdownload": "the daemon serves files itself: global.base_url and global.media_keep",
    "mediaserverupload": "the daemon serves files itself: global.base_url and global.media_keep",
    "messageformat": "formatting is written as the platform has it",
    "messagelength": "a long message is split at the platform's own limit",
    "messagequeue": "nothing is dropped: what waits is on disk",
    "messagesplit": "a long message is split at the platform's own limit",
    "nickformatter": "lists of members are not shown",
    "nicksperrow": "lists of members are not shown",
    "nosendjoinpart": "joins and leaves are told by rules with joins, from all of their channels",
    "notls": "the connection is encrypted",
    "preservethreading": "threads are always kept",
    "quotedisable": "answers are the platform's own where it has them",
    "replacenicks": "names are shown as people chose them",
    "runcommands": "nothing is sent to the server after connecting but the login: use sasl",
    "showembeds": "embeds are always shown as text",
    "skipversioncheck": "there is no such check",
    "stripmarkdown": 'filter.formatting: "strip" does it for a rule',
    "stripnick": "names are shown as people chose them, made harmless",
    "syncnicknames": "names are shown as people chose them",
    "usefirstname": "people are shown by the names that others see",
    "userelaymsg": "messages come from the relay's nick",
    "useusername": "people are shown by the names that others see",
    "verbosejoinpart": "joins are told without hosts",
}
_ELSE = "has no counterpart"


class Section:
    """One table of the file; its keys are found whatever their capitals are."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self._values = {key.lower(): (key, each) for key, each in values.items()}
        self._taken: set[str] = set()

    def text(self, key: str) -> str:
        """A string without white space around it; empty where there is none. Raises ConversionError as `verbatim`."""
        return self.verbatim(key).strip()

    def verbatim(self, key: str) -> str:
        """A string as it stands; empty where there is none. Raises ConversionError where it is something else."""
        value = self._take(key, "")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise ConversionError(f"{self.name}: {self._values[key.lower()][0]} is no string")
        return value

    def says(self, key: str) -> bool:
        """Whether it is true; Matterbridge's default is always false."""
        return self._take(key, False) is True

    def number(self, key: str) -> float:
        """A number; 0 where there is none."""
        value = self._take(key, 0)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

    def pairs(self, key: str) -> list[tuple[str, str]]:
        """A list of pairs of strings."""
        value = self._take(key, [])
        found = value if isinstance(value, list) else []
        return [(str(one[0]), str(one[1])) for one in found if isinstance(one, list) and len(one) == 2]

    def strings(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._take(key, [])
        return [str(each) for each in value] if isinstance(value, list) else []

    def words(self, key: str) -> list[str]:
        """Words with spaces between them."""
        return self.text(key).split()

    def tables(self, key: str) -> list[dict[str, Any]]:
        """A list of tables."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise ConversionError(f"{self.name}: {key} is no list of tables ([[…]])")
        return value

    def table(self, key: str) -> dict[str, Any]:
        """A table; empty where there is none."""
        value = self._take(key, {})
        return value if isinstance(value, dict) else {}

    def left(self) -> list[Note]:
        """What nobody has taken and is not off: each has no counterpart."""
        return [
            Note(f"{self.name} {key}", _WITHOUT_COUNTERPART.get(folded, _ELSE))
            for folded, (key, value) in self._values.items()
            if folded not in self._taken and value not in (False, "", 0, [], {})
        ]

    def _take(self, key: str, default: Any) -> Any:  # noqa: ANN401 - whatever stands there
        folded = key.lower()
        self._taken.add(folded)
        return self._values[folded][1] if folded in self._values else default


def lower_keys(values: dict[str, Any]) -> dict[str, Any]:
    """A table with its own keys in small letters, as Matterbridge finds them."""
    return {key.lower(): each for key, each in values.items()}
