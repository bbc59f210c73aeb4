"""Where a datafile comes from: one module per kind of place, each a `ports.DatafileSource`."""
