"""What ``rspctl`` shows in a terminal.

``instance``  asks a running instance, over its admin socket
``plain``     text of clients and peers, without what a terminal would obey
``log``, ``trace``  requests as they end
``top``, ``rates``  all that is counted, live
"""
