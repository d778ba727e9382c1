"""What people said, and what arrived of it: lost, twice, out of order.

Each word of an entry is its name: who said it, its number there, its version (an edit makes a new one) and its place in
the text. So each piece of a text that was cut says what it is a piece of, and a word that is missing is seen. So is a
file, by its name and what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

__all__ = ["Entry", "Ledger", "Shown", "Verdict", "digest"]

_FILE = re.compile(r"[a-z0-9-]+\.\d+\.file\d+\.bin")
_WORD = re.compile(r"([a-z0-9-]+)\.(\d+)\.(\d+)\.(\d+)")


def digest(content: bytes) -> str:
    """What stands for a file's bytes."""
    return sha256(content).hexdigest()


class Entry(Struct):
    """What somebody said, as it stands now."""

    source: str
    number: int
    words: int
    version: int = 0
    files: tuple[str, ...] = ()
    """The digest of each."""

    @property
    def text(self) -> str:
        """What to say."""
        return " ".join(f"{self.source}.{self.number}.{self.version}.{place}" for place in range(self.words))

    def file_name(self, place: int) -> str:
        """What to call one of its files."""
        return f"{self.source}.{self.number}.file{place}.bin"


class Shown(NamedTuple):
    """One message of a target channel."""

    text: str
    files: tuple[tuple[str, str], ...] = ()
    """Name and digest of each."""


class Verdict(Struct, frozen=True):
    """How it went in one target channel."""

    due: int = 0
    """Messages that have to be there."""
    lost: int = 0
    """Of those, how many are not there whole, as they were last, with all their files."""
    repeated: int = 0
    disordered: int = 0

    @property
    def is_clean(self) -> bool:
        """Each message is there once, in the order of its source."""
        return self.lost == self.repeated == self.disordered == 0

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(*(getattr(self, each) + getattr(other, each) for each in Verdict.__struct_fields__))


class _Piece(NamedTuple):
    """Words of one version of an entry that stand one after the other."""

    source: str
    number: int
    version: int
    first: int
    last: int


class Ledger:
    """Names what is said and finds the names again. A source's entries are numbered from 0 in the order of saying."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Entry]] = {}
        self._read: dict[str, tuple[_Piece, ...]] = {}

    def entry(self, source: str, words: int, files: Iterable[bytes] = ()) -> Entry:
        """Something new to say for `source`, of so many words."""
        said = self._entries.setdefault(source, [])
        said.append(Entry(source, len(said), words, files=tuple(digest(each) for each in files)))
        return said[-1]

    def edit(self, source: str, number: int, words: int) -> Entry:
        """The same entry, said otherwise."""
        entry = self._entries[source][number]
        entry.version, entry.words = entry.version + 1, words
        return entry

    @property
    def edited(self) -> int:
        """How many entries were edited, all sources together."""
        return sum(entry.version > 0 for said in self._entries.values() for entry in said)

    @property
    def with_files(self) -> int:
        """How many entries have files, all sources together."""
        return sum(bool(entry.files) for said in self._entries.values() for entry in said)

    def arrived(self, shown: Iterable[Shown]) -> set[tuple[str, int]]:
        """Of which entries there is anything: source and number."""
        return {(piece.source, piece.number) for each in shown for piece in self._pieces(each.text)}

    def verdict(
        self,
        shown: Sequence[Shown],
        sources: Iterable[str],
        *,
        excused: Mapping[str, Collection[int]] | None = None,
        text_alone: bool = False,
    ) -> Verdict:
        """Compare the messages of a channel, in its order, with what these sources said.

        Of a source, the `excused` entries need not be there. Where the target shows `text_alone`, a file's name stands
        for the file, and an edit is a message of its own.
        """
        pieces: dict[str, list[_Piece]] = {source: [] for source in sources}
        files: dict[str, list[str]] = {}
        for each in shown:
            for piece in self._pieces(each.text):
                if piece.source in pieces:
                    pieces[piece.source].append(piece)
            names = [(name, "") for name in _FILE.findall(each.text)] if text_alone else each.files
            for name, content in names:
                files.setdefault(name, []).append(content)
        verdict = Verdict()
        for source, found in pieces.items():
            excuse = (excused or {}).get(source, ())
            due = [entry for entry in self._entries.get(source, ()) if entry.number not in excuse]
            verdict += _verdict(due, found, files, text_alone=text_alone)
        return verdict

    def _pieces(self, text: str) -> tuple[_Piece, ...]:
        """What a text is made of. Texts are looked at again and again, and do not change."""
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = tuple(_pieces(text))
        return found


def _pieces(text: str) -> Iterator[_Piece]:
    piece: _Piece | None = None
    for source, *numbers in _WORD.findall(text):
        number, version, place = map(int, numbers)
        if piece is not None and piece[:3] == (source, number, version) and place == piece.last + 1:
            piece = piece._replace(last=place)
            continue
        if piece is not None:
            yield piece
        piece = _Piece(source, number, version, place, place)
    if piece is not None:
        yield piece


def _verdict(
    due: Sequence[Entry], found: Sequence[_Piece], files: Mapping[str, Sequence[str]], *, text_alone: bool
) -> Verdict:
    """Of one source."""
    versions: dict[tuple[int, int], list[_Piece]] = {}
    for piece in found:
        versions.setdefault((piece.number, piece.version), []).append(piece)
    twice, whole = set(), {}
    disordered = 0
    for (number, version), pieces in versions.items():
        once = list(dict.fromkeys(pieces))
        in_place = sorted(once, key=lambda piece: piece.first)
        if len(once) < len(pieces) or any(later.first <= earlier.last for earlier, later in pairwise(in_place)):
            twice.add(number)
        disordered += once != in_place
        whole[number, version] = len({place for piece in once for place in range(piece.first, piece.last + 1)})
    newest: dict[int, int] = {}
    for number, version in versions:
        if number in newest and not text_alone:
            twice.add(number)
        disordered += version < newest.get(number, 0)
        newest[number] = version
    disordered += sum(later < earlier for earlier, later in pairwise(newest))
    lost = 0
    for entry in due:
        is_there = whole.get((entry.number, entry.version)) == entry.words
        for place, content in enumerate(entry.files):
            shown = files.get(entry.file_name(place), ())
            is_there &= bool(shown) if text_alone else content in shown
            if len(shown) > 1:
                twice.add(entry.number)
        lost += not is_there
    return Verdict(len(due), lost, len(twice), disordered)
