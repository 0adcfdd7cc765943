"""nginx's rewrite module (``if``, ``return``, ``rewrite``, ``set``), as hooks; and old idioms that mean something else.

Imports matching, rules, values and syntax.
"""
