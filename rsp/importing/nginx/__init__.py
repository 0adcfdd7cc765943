"""nginx.conf becomes a :class:`Site`: packages for parts of its language, above them the walk through its blocks.

``reader.py`` goes through the file, ``routes.py`` through a server, ``locations.py`` through a location; the files
beside these are what a location has besides its content.  Below, from the top: ``content``, ``rewrite``, ``matching``,
then ``rules`` and ``peers``, ``values``, ``syntax``.  Each imports only what comes after it.
"""
