"""Which server and which location get a request: listeners, names, prefixes, regular expressions and their order.

Imports rules, values and syntax.
"""
