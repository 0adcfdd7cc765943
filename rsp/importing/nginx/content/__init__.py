"""What answers a request: a peer, a script, files, pages for errors; and the route that this becomes.

Imports peers, rewrite, matching, rules, values and syntax.
"""
