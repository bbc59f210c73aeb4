"""New datafiles on their way to where they serve: checked, stored, compared, deployed.

Nothing in here is imported by a process that only decides.
"""
