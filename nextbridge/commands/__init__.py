"""What people say to the relay itself: commands, and the binding of their accounts.

A command is taken out of the stream before it is routed, kept in the journal as an event that goes nowhere (so that it
is obeyed once), and answered on its own way, beside the lanes: an answer that cannot be given is lost, and disturbs
nothing.
"""

from nextbridge.commands.accounts import AccountDirectory
from nextbridge.commands.answers import Answers
from nextbridge.commands.grammar import Command
from nextbridge.commands.service import Commands

__all__ = ["AccountDirectory", "Answers", "Command", "Commands"]
