"""What a user runs beside the server.

``demo``       ``rsp demo``: backends, rsp in front of them, and a page to try it on
``explain``    ``rsp explain``: how a request would be handled
``rehearsal``  a worker without a network, for that and for ``rsp -t``
``outcome``    the result of a request there, and its description
``writable``   for ``rsp -t``: whether files that rsp writes can be written
``signals``    ``rsp -s``
``arguments``  arguments that more than one command takes
"""
