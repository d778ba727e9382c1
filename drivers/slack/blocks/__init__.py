"""The blocks that Slack's messages are made of, read and written."""

from drivers.slack.blocks.reader import ids_in, read_attachments, read_blocks
from drivers.slack.blocks.writer import written

__all__ = ["ids_in", "read_attachments", "read_blocks", "written"]
