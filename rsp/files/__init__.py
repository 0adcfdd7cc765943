"""Files that answer requests: which file a name selects, and its data.  No sockets and no exchanges.

``tree``  names become entries, with a cache that every use verifies; ``outcomes``: other results of a search
``names``, ``patterns``  which names may be answered with; patterns of names
``root``, ``opener``  the directory of a tree; opening below it, so that no name leads out
``reader``, ``entry``  a file is read; its data
``shelf``  what a worker keeps of all files, within bounds
``types``  Content-Type by the end of a name
``threads``, ``lookups``  what may wait for a disk waits there; ``file_systems``, ``warm``: what may, and what does not
``listing``  the page that lists a directory
``calls``  the system calls
"""
