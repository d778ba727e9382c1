"""What a platform offers: the Driver contract, its optional capabilities, and what the core offers in return (Host).

A driver is one class. The required core is `run`, `send` and `probe`; every further ability is a small protocol that
the class implements, so what a platform can do is read off its class. A driver holds no fallback for what it cannot
do: the core degrades, in one place.

The life of a driver object, all of it on the event loop's thread:

1. The class is asked about the operator's file without being made: `settings_type`, `channel_type`, `channel_key`,
   `remarks`, `channel_remarks`, `target_remarks`, `address`. No I/O.
2. One object is made for each enabled instance. `__init__` does no I/O.
3. The core awaits `run` and awaits it again, after a delay, whenever it ends. The object keeps what a reconnection
   needs. `send` and the others are called between `Host.connected` and the end of `run` (after it too, until the next
   `Host.disconnected`, where `Guarantees.sends_while_reconnecting` says so); sends to one channel never overlap,
   sends to several channels do.
4. `close` is awaited once, last, after `run` was cancelled.
"""

from nextbridge.driver.capabilities import (
    Deletes,
    DirectMessages,
    Downloads,
    Edits,
    Forgets,
    History,
    Identity,
    Members,
    Pages,
    Portraits,
    Reactions,
    Recall,
    Threads,
    Topics,
    Typing,
    Uploads,
)
from nextbridge.driver.contract import Driver
from nextbridge.driver.declaration import Acknowledgement, Guarantees, Limits, RetryRecognition, Unit
from nextbridge.driver.exchange import (
    Address,
    ConfiguredChannel,
    Cursor,
    Directory,
    Excerpt,
    Finding,
    Listed,
    LocalFile,
    Outgoing,
    Past,
    Position,
    Receipt,
    Remark,
    Somebody,
    Unlisted,
)
from nextbridge.driver.host import Host, Store
from nextbridge.errors import DriverError, FileRejected, Gone, Paused, Rejected, Retry

__all__ = [
    "Acknowledgement",
    "Address",
    "ConfiguredChannel",
    "Cursor",
    "Deletes",
    "DirectMessages",
    "Directory",
    "Downloads",
    "Driver",
    "DriverError",
    "Edits",
    "Excerpt",
    "FileRejected",
    "Finding",
    "Forgets",
    "Gone",
    "Guarantees",
    "History",
    "Host",
    "Identity",
    "Limits",
    "Listed",
    "LocalFile",
    "Members",
    "Outgoing",
    "Pages",
    "Past",
    "Paused",
    "Portraits",
    "Position",
    "Reactions",
    "Recall",
    "Receipt",
    "Rejected",
    "Remark",
    "Retry",
    "RetryRecognition",
    "Somebody",
    "Store",
    "Threads",
    "Topics",
    "Typing",
    "Unit",
    "Unlisted",
    "Uploads",
]
