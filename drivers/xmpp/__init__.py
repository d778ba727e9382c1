"""The XMPP driver: one account, or one component, in the rooms (MUC) that the rules name.

It stands on slixmpp, for the stream, TLS, SASL, resumption and the matching of answers to questions. Of its plugins for
XEPs only those of the stream are used: what stands in messages is read once into structures of our own, and the rooms
are kept by tasks of their own, since what a relay must know of a room (when its history ends, what of ours it has
taken) no plugin tells. Looked at in November 2026: `aioxmpp` (0.13) is kept no more; `nbxmpp` (6) needs GLib's loop.

    settings.py       the keys of the operator's file
    connecting.py     addresses, TLS, proxies
    stream.py         slixmpp's stream, with errors of the contract
    stanzas.py        messages and presences, read
    styling.py        XEP-0393, read and written
    names.py          a remote author's name as it is shown; nicks
    session.py        one login, over one connection or several
    room.py           one room: joined, listened to, left
    membership.py     why a room does not let us in, or puts us out
    occupants.py      who is in a room, and by what they are told apart
    ourselves.py      which of them are ours
    incoming.py       what a room tells, as events
    backlog.py        what was said a while ago
    archive.py        the room's archive, asked in pages
    lookup.py         what was said, found by its id
    history.py        what was said while a room was not heard
    echoes.py         which of our messages a room has taken
    sending.py        messages and what else goes out
    puppets.py        authors from elsewhere who are in the room by a component
    files.py          uploads, and what a message bears for them
    pictures.py       pictures of people
    probing.py        `check --online`
    driver.py         the Driver of the contract
"""

from drivers.xmpp.driver import XmppDriver

__all__ = ["XmppDriver"]
