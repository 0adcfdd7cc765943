"""The master's parts: its children, their listeners, configurations on their way to them, upgrades.

``fleet``          all children: how they come and go
``child``          a child process, and the slot that it fills
``rows``           the workers' rows of the scoreboard
``listeners``      addresses, and each slot's sockets for them
``orphans``        sockets of slots without a worker
``control_child``  the control process as the master sees it
``reload``         from a file to all workers
``rollout``        a configuration on its way to the workers
``canary``         whether a trial went well
``upgrade``        a new master takes over from the running one
``heritage``       counters of predecessors, until their last worker has finished
``systemd``        sockets that a service manager passes, and what it wants to know
``pid_file``       the file that names the master
"""
