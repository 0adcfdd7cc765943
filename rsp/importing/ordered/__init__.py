"""Rules of which the first that matches wins, as Caddy and HAProxy have them, become routes of rsp.

``condition.py`` is what a rule asks for, ``rules.py`` resolves a list of rules into conditions and their routes in
order, ``routes.py`` writes routes that choose the same although rsp prefers hosts and paths by how specific they are.
``two_patterns.py`` finds one regular expression for two that have to match.
"""
