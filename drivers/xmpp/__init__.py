"""The XMPP driver: one account, or one component, in the rooms (MUC) that the rules name."""

from drivers.xmpp.driver import XmppDriver

__all__ = ["XmppDriver"]
