"""nginx.conf, read by families of directives.

``tree.py`` parses files into statements, with what they include; ``levels.py`` is nginx's inheritance from http to
server to location; ``reader.py`` goes through the blocks in order; the other files each translate one family.
"""
