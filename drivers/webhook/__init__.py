"""Webhooks: other programs post to an address of the daemon, and messages are posted to addresses of theirs."""

from drivers.webhook.driver import WebhookDriver

__all__ = ["WebhookDriver"]
