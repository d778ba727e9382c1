"""Mattermost, servers 5.37 to 11."""

from drivers.mattermost.driver import MattermostDriver

__all__ = ["MattermostDriver"]
