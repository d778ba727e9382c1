"""Telegram: bots in groups, supergroups, channels and the topics of forums."""

from drivers.telegram.driver import TelegramDriver

__all__ = ["TelegramDriver"]
