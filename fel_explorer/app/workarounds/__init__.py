"""Repairs of other libraries, a file each, named by library.

Each file says what is wrong, in which versions, and the upstream issue where one is known.  With other
versions it does nothing and says so in the log.  A test of each shows the fault without the repair: when it
fails, the library no longer needs the repair.
"""
