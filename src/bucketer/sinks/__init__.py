"""Where events go: one outbox, and the sinks an operator may choose for it."""
