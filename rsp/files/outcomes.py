"""Results of a search for a file that are not an entry.  These are constants of several compiled modules."""

NOT_THERE = 1  # or not to be answered with
DENIED = 2  # the worker's user may not read it
BUSY = 3  # out of descriptors, memory or threads, for a moment
BROKEN = 4  # the disk or the file system has failed


class WouldBlock(Exception):
    """A thread has to look, because the file system may have to wait for a disk."""
