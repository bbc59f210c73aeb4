"""Both engines asked the same: how a user comes to trust us with their own datafile."""
