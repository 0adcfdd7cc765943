"""Other programs' configurations become a site.lua: one folder or file a format, one model of what comes out.

``site.py`` is the model, ``lua.py`` writes it, ``check.py`` has rsp's own loader read what was written.  A reader
(``nginx/``, ``caddy/``, ``haproxy/``) turns its format into the model and knows nothing of Lua's syntax.  ``ordered/``
is what Caddy and HAProxy have in common; ``shared.py`` says once what many routes say; ``automata.py`` compares
regular expressions for all of them.
"""
