"""What ``rspctl`` shows in a terminal.

``instance``  asks a running instance, over its admin socket
``plain``     text of clients and peers, without what a terminal would obey
``log``, ``trace``  requests as they end
``top``       all that goes on, every second; ``rates``: between two readings
"""
