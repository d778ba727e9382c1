"""Discord, by a bot."""

from drivers.discord.driver import DiscordDriver

__all__ = ["DiscordDriver"]
