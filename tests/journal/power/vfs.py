"""SQLite's own file layer, listened to: everything that the journal's SQLite does to the files of a folder.

SQLite reaches files through a table of functions (its VFS). Here a copy of the usual table is made SQLite's default,
in which opening and deleting are noted; a file that it opens gets a copy of its own table of functions, in which
writing, truncating and syncing are noted. Each calls the original and then notes what was done, so the program under
test runs as it always does, on real files, and needs no seam for it. Reading, locks and shared memory are untouched.

The tables are put into the library that Python's sqlite3 is linked to, by ctypes: what is looked up in the extension
module's handle is found in the libraries that it needs. Where it is compiled in and not to be seen, there is nothing to
be noted (Unreachable). A package that brings an SQLite of its own would be tested in the place of the journal.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, byref, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

from tests.journal.power.disk import Deleted, Disk, FolderSynced, Linked, Op, Synced, Truncated, Written

__all__ = ["Unreachable", "listening"]

_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_OpenDirectory = CFUNCTYPE(c_int, c_char_p, c_void_p)
_SetSystemCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
_GetSystemCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        *((name, c_void_p) for name in (
            "xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness",
            "xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall",
            "xNextSystemCall",
        )),
    )  # fmt: skip


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("iVersion", c_int),
        *((name, c_void_p) for name in (
            "xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock",
            "xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap",
            "xFetch", "xUnfetch",
        )),
    )  # fmt: skip


class Unreachable(Exception):
    """This Python's SQLite cannot be listened to, for the reason that is given."""


@contextmanager
def listening(folder: Path, disk: Disk, ops: list[Op]) -> Iterator[None]:
    """Note what is done to the folder's files: `disk` says what is in it now, `ops` gets what is done.

    For the whole process, one at a time; whatever is opened under the folder must be closed before the end.
    Raises Unreachable.
    """
    library = _library()
    find = library.sqlite3_vfs_find
    find.restype, find.argtypes = c_void_p, [c_char_p]
    usual = find(None)
    listener = _Listener(usual, folder, disk, ops)
    _listeners.append(listener)
    library.sqlite3_vfs_register(byref(listener.vfs), 1)
    listener.set_open_directory()
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(byref(listener.vfs))
        library.sqlite3_vfs_register(c_void_p(usual), 1)
        listener.reset_open_directory()
    assert not listener.files, "closed before the end"


def _library() -> ctypes.CDLL:
    path = getattr(_sqlite3, "__file__", None)
    try:
        library = ctypes.CDLL(path)  # without a path: what this program itself has
        getattr(library, "sqlite3_vfs_register")  # noqa: B009 - it is looked up here
    except (OSError, AttributeError) as error:
        raise Unreachable(f"SQLite is not to be found in {path or 'the interpreter'} ({error}).") from error
    return library


_listeners: list[_Listener] = []
"""C has their addresses: whoever fails to close a file closes it later, perhaps at the end of the program."""


class _Listener:
    """The tables of functions, and what they have noted. ctypes takes care of the interpreter's lock."""

    def __init__(self, usual: int, folder: Path, disk: Disk, ops: list[Op]) -> None:
        self._usual = usual
        self._folder = folder.resolve()
        self._ops = ops
        self._names = disk.names()
        self._made = disk.newest
        self.files: dict[int, int] = {}
        """By the address of SQLite's own structure: which file it has open."""
        self._folder_opened = False
        self._originals = _Vfs.from_address(usual)
        if self._originals.iVersion < 3 or self._originals.zName != b"unix":
            raise Unreachable(f"The usual file layer is {self._originals.zName!r}.")
        self._kept: list[object] = []
        """What C has the address of."""
        self._methods: dict[int, _Methods] = {}
        self.vfs = _Vfs.from_buffer_copy(self._originals)
        self.vfs.zName = b"listening"
        self.vfs.xOpen = self._address(_Open(self._open))
        self.vfs.xDelete = self._address(_Delete(self._delete))
        self._real_open = _Open(self._originals.xOpen)
        self._real_delete = _Delete(self._originals.xDelete)
        usual_directory = _GetSystemCall(self._originals.xGetSystemCall)(usual, b"openDirectory")
        self._real_open_directory = _OpenDirectory(usual_directory)
        self._opens_directory = self._address(_OpenDirectory(self._open_directory))

    def set_open_directory(self) -> None:
        """SQLite opens a folder for nothing but to sync it: when it makes a file, and when it deletes one."""
        _SetSystemCall(self._originals.xSetSystemCall)(self._usual, b"openDirectory", self._opens_directory)

    def reset_open_directory(self) -> None:
        _SetSystemCall(self._originals.xSetSystemCall)(self._usual, b"openDirectory", None)

    def _address(self, function: Any) -> int | None:
        self._kept.append(function)
        return ctypes.cast(function, c_void_p).value

    def _name(self, path: bytes | None) -> str | None:
        """The file's name in the folder, None elsewhere."""
        if path is None:
            return None
        place = Path(path.decode())
        return place.name if place.parent == self._folder else None

    # --- the file layer -----------------------------------------------------------------------------------------

    def _open(self, _: int, path: int | None, file: int, flags: int, out: int | None) -> int:
        name = self._name(None if path is None else ctypes.string_at(path))
        is_new = name is not None and not (self._folder / name).exists()
        result: int = self._real_open(self._usual, path, file, flags, out)
        if result == 0 and name is not None:
            if is_new or name not in self._names:
                self._made += 1
                self._names[name] = self._made
                self._ops.append(Linked(name, self._made))
            self.files[file] = self._names[name]
            methods = c_void_p.from_address(file)
            assert methods.value is not None
            methods.value = ctypes.addressof(self._listening(methods.value))
        return result

    def _delete(self, _: int, path: int, syncs: int) -> int:
        name = self._name(ctypes.string_at(path))
        result: int = self._real_delete(self._usual, path, syncs)
        if result == 0 and name is not None:
            self._names.pop(name, None)
            self._ops.append(Deleted(name))
        self._note_folder()
        return result

    def _open_directory(self, path: bytes, descriptor: int) -> int:
        result: int = self._real_open_directory(path, descriptor)
        self._folder_opened = result == 0 and self._name(path) is not None
        return result

    def _note_folder(self) -> None:
        if self._folder_opened:
            self._folder_opened = False
            self._ops.append(FolderSynced())

    # --- a file -------------------------------------------------------------------------------------------------

    def _listening(self, address: int) -> _Methods:
        """A table like the one at this address, which notes."""
        if address in self._methods:
            return self._methods[address]
        usual = _Methods.from_address(address)
        close, write = _Close(usual.xClose), _Write(usual.xWrite)
        truncate, sync = _Truncate(usual.xTruncate), _Sync(usual.xSync)

        def closes(file: int) -> int:
            del self.files[file]
            result: int = close(file)
            return result

        def writes(file: int, data: int, length: int, offset: int) -> int:
            written = ctypes.string_at(data, length)
            result: int = write(file, data, length, offset)
            if result == 0:
                self._ops.append(Written(self.files[file], offset, written))
            return result

        def truncates(file: int, length: int) -> int:
            result: int = truncate(file, length)
            if result == 0:
                self._ops.append(Truncated(self.files[file], length))
            return result

        def syncs(file: int, flags: int) -> int:
            result: int = sync(file, flags)
            if result == 0:
                self._ops.append(Synced(self.files[file]))
            self._note_folder()
            return result

        methods = _Methods.from_buffer_copy(usual)
        methods.iVersion = min(usual.iVersion, 3)  # what a later one adds is not in our copy
        methods.xClose = self._address(_Close(closes))
        methods.xWrite = self._address(_Write(writes))
        methods.xTruncate = self._address(_Truncate(truncates))
        methods.xSync = self._address(_Sync(syncs))
        self._methods[address] = methods
        return methods
