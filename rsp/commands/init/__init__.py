"""``rsp init``: a first site.lua for what is found here.

``listening`` looks for servers that run on this machine, ``compose`` and ``project`` at files of the directory;
``site`` writes what ``found`` describes.  Nothing here knows how rsp serves it.
"""
