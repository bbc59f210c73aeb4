"""How a runtime works: as a server, in Lambda, or for one command of the command line.

What may be put off until after a response differs, and what there is to write to.
"""

SERVER, LAMBDA, COMMAND = "server", "lambda", "command"
