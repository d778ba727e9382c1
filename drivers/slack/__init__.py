"""Slack: an app with a bot in one workspace."""

from drivers.slack.driver import SlackDriver

__all__ = ["SlackDriver"]
