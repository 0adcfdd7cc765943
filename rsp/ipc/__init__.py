"""What processes share: channels, and memory.

``channel``        messages between the master and its children
``packets``        messages as packets: any size, any number of descriptors
``scoreboard``     cells for each process and each peer, without locks
``worker_cells``, ``peer_cells``, ``peer_marks``, ``metrics``  the tables that say what a cell means
``peer_stats``, ``worker_stats``  a process's own cells, as the hot path writes them
``sheet``          what is counted for routes, upstreams and listeners; ``series_table``: which block is whose
``series_cells``, ``families``  the tables that say what it is; ``series``, ``counting``: a process's own
``estate``         what a master leaves to its successor
``peer_table``     the peers of each upstream; ``peer_registry``, ``places``: the master's
``shared_memory``  keys and values for hooks, counts for limits (``usage``)
``entries``        how they lie in memory
``lock``           a lock that the kernel frees when its holder dies
``tap``, ``spans`` what single requests and messages the control process is shown; ``watches``: which it wants to see
``instance``       what a child gets when it is forked
``admin_socket``   the socket that ``rspctl`` connects to
"""
