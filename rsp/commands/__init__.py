"""What a user runs beside the server.

``options``      the command line of ``rsp`` itself, and the table of all commands
``programs``     all command lines together, for completion and manual pages
``demo/``        ``rsp demo``: backends, rsp in front of them, and a page to try it on
``init/``        ``rsp init``: a first configuration for what is found on this machine
``importing``    ``rsp import``: a configuration of another proxy becomes a site.lua
``explain``      ``rsp explain``: how a request would be handled
``certificate``  ``rsp certificate``: a self-signed certificate
``completion``   ``rsp completion``: scripts for shells
``man/``         ``rsp man``: manual pages
``rehearsal``    a worker without a network, for ``rsp explain`` and ``rsp -t``
``outcome``      the result of a request there, and its description
``writable``     for ``rsp -t``: whether files that rsp writes can be written
``signals``      ``rsp -s``
``arguments``    arguments that more than one command takes
``ports``        addresses that a listener could have on this machine
"""
