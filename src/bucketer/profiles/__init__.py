"""User profiles: which variation each user once got, kept when the traffic allocation changes."""
