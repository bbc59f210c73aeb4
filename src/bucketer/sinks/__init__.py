"""Where events go: one outbox, and the homes an operator may choose for it."""
