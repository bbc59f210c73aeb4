"""Our own API: `/bucketer`, `/track`, `/expose`. Its parameters, its bodies, its answers."""
