"""The IRC driver: one connection to one network, as one nick, in the channels that the rules name.

It stands on asyncio streams, with its own parser of lines (`wire.py`), because no IRC library was found that does what
a relay that loses nothing needs: knowing which message a server has taken (by labels, echoes or a PONG) and handing
over the next one only then. Looked at in November 2026: `irc` (20.5) is a thread's select loop whose rate limit
sleeps; `ircrobots` (0.7.2) pins anyio 2 and async-timeout 4 of 2020; `bottom` (2.2 is the last one for Python 3.11) has
neither SASL nor capabilities; `pydle` (1.2) is kept well, but paces by a fixed three lines per two seconds, reconnects
by itself and has no labelled responses; `irctokens` (2.0) would save a parser of sixty lines.

    settings.py       the keys of the operator's file
    wire.py           one line, read and written
    connection.py     TCP, TLS, proxy, bounded reading
    pacing.py         how fast lines may go out
    casemapping.py    when two names are one
    server.py         what a server says about itself and about us
    registration.py   capabilities, SASL, password, nick: from the first byte to the welcome
    channels.py       the configured channels: joined, refused, kicked
    roster.py         who is in the channels, and which comings and goings are told
    backlog.py        what was said a while ago, to be quoted
    receipts.py       which sent command the server has taken
    incoming.py       a received line as an event
    sending.py        messages and what else goes out, and what a refusal of it means
    session.py        one registered connection, from the welcome to its end: what comes, and where we are
    formatting.py     bold and the like, read and written
    names.py          a remote author's name as it is shown; nicks to fall back to
    probing.py        `check --online`
    driver.py         the Driver of the contract
"""

from drivers.irc.driver import IrcDriver

__all__ = ["IrcDriver"]
