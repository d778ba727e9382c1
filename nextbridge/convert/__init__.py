"""Makes one file of ours out of what an operator has: the other notation, a file and its rules, Matterbridge's file.

Nothing is resolved: what names an environment variable or a file still does. Used by `nextbridge convert` alone.
"""

from __future__ import annotations

from nextbridge.convert.conversion import NOTATIONS, ConversionError, Converted, Note, in_notation
from nextbridge.convert.matterbridge import from_matterbridge
from nextbridge.convert.ours import from_ours

__all__ = ["NOTATIONS", "ConversionError", "Converted", "Note", "from_matterbridge", "from_ours", "in_notation"]
