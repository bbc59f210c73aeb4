"""Conversations that are written out by hand: once each, with the demonstration datafile."""
