"""Where a runtime may live: what may be put off until after a response differs."""

SERVER, LAMBDA, COMMAND = "server", "lambda", "command"
