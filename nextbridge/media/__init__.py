"""Files and pictures: fetched once for all targets, spooled on disk, and served where a target cannot take them.

`content` says what a file is by its first bytes, `spool` keeps the files of messages, `links` signs their addresses,
`pictures` keeps people's pictures that only a driver can fetch, and `server` answers for all of it below `/media/`.
"""

from nextbridge.media.links import Links
from nextbridge.media.spool import Allowance, Spool

__all__ = ["Allowance", "Links", "Spool"]
