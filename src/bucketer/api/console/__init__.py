"""The console's API, `/console/api/…`, and the files of its page: see why, in a browser.

Nothing here decides: it asks the core, and tells what the core says. To add a route: a function
that answers it, and a line in `api.ROUTES`.
"""
