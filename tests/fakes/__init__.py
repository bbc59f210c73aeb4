"""Small stand-ins for the outside: code, with docstrings, no mocks."""
