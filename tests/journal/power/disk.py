"""A disk with what a program did to the files of one folder, and what a power cut may leave of it.

Certain is what was synced: a file's bytes and its length up to its last sync, a name in the folder up to the folder's
last sync. Of what came later the disk may have each piece, or not, in any order. The smallest piece is a sector: a
write may arrive without some of its sectors, and some of them may hold rubbish. Two things are taken for granted, as
SQLite does of every disk: a write harms nothing beside its range (SQLITE_IOCAP_POWERSAFE_OVERWRITE), and a file that is
made shorter is either as it was or cut off at that place (file systems write its length first).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

from msgspec import Struct

__all__ = ["Deleted", "Disk", "FolderSynced", "Linked", "Op", "State", "Synced", "Truncated", "Written"]


class Linked(Struct, frozen=True):
    """The name belongs to this file, which was empty."""

    name: str
    file: int


class Deleted(Struct, frozen=True):
    """The name belongs to no file."""

    name: str


class FolderSynced(Struct, frozen=True):
    """The names are certain."""


class Written(Struct, frozen=True):
    """These bytes are in the file."""

    file: int
    offset: int
    data: bytes


class Truncated(Struct, frozen=True):
    """The file has this length."""

    file: int
    length: int


class Synced(Struct, frozen=True):
    """All that the file has is certain."""

    file: int


Op: TypeAlias = Linked | Deleted | FolderSynced | Written | Truncated | Synced
State: TypeAlias = Mapping[str, bytes]
"""What is in the folder, by name."""


@dataclass
class _File:
    certain: bytes = b""
    pending: list[Written | Truncated] = field(default_factory=list)
    former: bytes = b""
    """What lay in its place before it was truncated or made: rubbish that looks as if it belonged there."""

    def now(self) -> bytes:
        content = bytearray(self.certain)
        for op in self.pending:
            _apply(content, op)
        return bytes(content)


class Disk:
    """Takes the operations one after the other, and tells at each point what there may be."""

    def __init__(self, state: State | None = None) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._renamed: list[Linked | Deleted] = []
        """What was done to names since the folder was synced."""
        for number, (name, content) in enumerate((state or {}).items()):
            self._files[number] = _File(content)
            self._names[name] = number

    def copy(self) -> Disk:
        """Another disk that is as this one is now."""
        other = Disk()
        other._files = {number: replace(file, pending=file.pending[:]) for number, file in self._files.items()}
        other._names = dict(self._names)
        other._renamed = self._renamed[:]
        return other

    def names(self) -> dict[str, int]:
        """The file that each name belongs to, as the running system sees it."""
        names = dict(self._names)
        for op in self._renamed:
            _rename(names, op)
        return names

    @property
    def newest(self) -> int:
        """The highest number that a file has had; -1 before the first."""
        return max(self._files, default=-1)

    def unsynced(self, name: str) -> int:
        """How many operations on the file of this name may be lost."""
        return len(self._files[self.names()[name]].pending)

    def do(self, op: Op) -> None:
        """Take one operation."""
        match op:
            case Linked(name, file):
                former = self.names().get(name)
                self._files[file] = _File(former=b"" if former is None else self._files[former].now())
                self._renamed.append(op)
            case Deleted():
                self._renamed.append(op)
            case FolderSynced():
                self._names = self.names()
                self._renamed.clear()
            case Written(file):
                self._files[file].pending.append(op)
            case Truncated(file):
                self._files[file].former = self._files[file].now()
                self._files[file].pending.append(op)
            case Synced(file):
                self._files[file].certain = self._files[file].now()
                self._files[file].pending.clear()

    def kept(self) -> State:
        """All that was done: what the running system sees, and what is there when only the program is killed."""
        return {name: self._files[file].now() for name, file in self.names().items()}

    def lost(self) -> State:
        """Only what is certain."""
        return {name: self._files[file].certain for name, file in self._names.items()}

    def torn(self, chance: Random) -> State:
        """One of the other states that a power cut may leave now."""
        names = dict(self._names)
        for name in sorted({op.name for op in self._renamed}):
            ops = [op for op in self._renamed if op.name == name]
            for op in ops[: chance.randint(0, len(ops))]:
                _rename(names, op)
        tear = chance.choice((_some_writes, _some_sectors))
        rubbish = chance.choice((_zeros, _noise, _former))
        way = _Way(chance, share=chance.choice((0.05, 0.5, 0.95)), sector=chance.choice((512, 4096)))
        return {
            name: tear(file, way, rubbish(file, way)) if file.pending else file.certain
            for name, file in ((name, self._files[number]) for name, number in names.items())
        }


class _Way(Struct, frozen=True):
    """How the cut falls."""

    chance: Random
    share: float
    """Of the pieces that arrived, from 0 to 1."""
    sector: int
    """Bytes that arrive together."""

    def arrives(self) -> bool:
        return self.chance.random() < self.share


def _some_writes(file: _File, way: _Way, rubbish: bytes) -> bytes:
    """Of the writes some, some in part; where one is missing the file may have got its length all the same."""
    content = bytearray(file.certain)
    for op in file.pending:
        if isinstance(op, Truncated):
            if way.arrives():
                _apply(content, op)
        elif way.chance.random() < 0.7:
            if way.arrives():
                _apply(content, op, rubbish)
            elif way.chance.random() < 0.5:
                _apply(content, Written(op.file, op.offset + len(op.data), b""), rubbish)
        else:
            for start in _sectors(op, way.sector):
                if way.chance.random() < 0.1:
                    part = way.chance.randbytes(len(_part(op, start, way.sector).data))
                    _apply(content, Written(op.file, max(start, op.offset), part), rubbish)
                elif way.arrives():
                    _apply(content, _part(op, start, way.sector), rubbish)
    return bytes(content)


def _some_sectors(file: _File, way: _Way, rubbish: bytes) -> bytes:
    """Of each sector what it was at some moment since the sync, and the length of another moment."""
    versions = [file.certain]
    for op in file.pending:
        content = bytearray(versions[-1])
        _apply(content, op)
        versions.append(bytes(content))
    cuts = [number for number, op in enumerate(file.pending, 1) if isinstance(op, Truncated)]
    arrived = way.chance.randint(0, len(cuts))  # so many times it was made shorter
    last = cuts[arrived] - 1 if arrived < len(cuts) else len(file.pending)
    length = len(versions[way.chance.randint(cuts[arrived - 1] if arrived else 0, last)])
    newest = round(way.share * last)
    content = bytearray()
    while len(content) < length:
        end = len(content) + way.sector
        first = max((cut for cut in cuts[:arrived] if len(versions[cut]) < end), default=0)
        moment = newest if way.chance.random() < 0.5 else way.chance.randint(0, last)
        piece = versions[max(moment, first)][len(content) : end]
        content += piece + rubbish[len(content) + len(piece) : end]
    return bytes(content[:length])


def _zeros(file: _File, _: _Way) -> bytes:
    return bytes(_reach(file))


def _noise(file: _File, way: _Way) -> bytes:
    return way.chance.randbytes(_reach(file))


def _former(file: _File, _: _Way) -> bytes:
    return file.former.ljust(_reach(file), b"\0")


def _reach(file: _File) -> int:
    """A length that the file never had, up to the next sector."""
    ends = [op.offset + len(op.data) for op in file.pending if isinstance(op, Written)]
    return max(len(file.certain), *ends, 0) + 4096


def _sectors(op: Written, sector: int) -> range:
    return range(op.offset - op.offset % sector, op.offset + len(op.data), sector)


def _part(op: Written, start: int, sector: int) -> Written:
    """What a write puts into the sector that begins there."""
    first = max(start, op.offset)
    return Written(op.file, first, op.data[first - op.offset : start + sector - op.offset])


def _apply(content: bytearray, op: Written | Truncated, rubbish: bytes = b"") -> None:
    """Do it; room before a write that nothing was written to has rubbish in it."""
    if isinstance(op, Truncated):
        del content[op.length :]
        return
    if len(content) < op.offset:
        content += rubbish[len(content) : op.offset].ljust(op.offset - len(content), b"\0")
    content[op.offset : op.offset + len(op.data)] = op.data


def _rename(names: dict[str, int], op: Linked | Deleted) -> None:
    if isinstance(op, Linked):
        names[op.name] = op.file
    else:
        names.pop(op.name, None)
