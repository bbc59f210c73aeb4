"""Our own API: `/bucketer` and `/track`. Its parameters, its bodies, its answers."""
