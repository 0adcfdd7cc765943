"""What the operating system gives and takes.

``sockets``      listening sockets
``descriptors``  how many each process needs, and how many clients that leaves room for
``memory``       sealed and shared memory (memfd)
``quota``        the processors and the memory that a container leaves
``demand``       how much processor time a thread wants
``privileges``   the user and group that workers run as
``parents``      processes that end with the one that started them
``new_file``     files that commands write
``console``      what a program owes its terminal
"""
