"""How commands talk to the daemon that runs: a JSON line asked, one answered, by a socket in its state folder.

protocol    what can be asked and answered
server      the daemon's end of the socket
client      a command's end; where no daemon runs, the same is asked of the files
desk        who answers, with `tracer` for what became of a message, and `forgetter` for whom to forget
commands    `nextbridge queue` and `nextbridge dead`, with `table` for what they print
"""
