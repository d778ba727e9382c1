"""`nextbridge check`: what is told of the file, and with --online of what is outside it.

probing         what instances find out, or can see
surroundings    what `global` needs
doubts          what no error says of an address, or of a clock
online          all of that at once
verdict         how it is told, to people and to programs
"""
