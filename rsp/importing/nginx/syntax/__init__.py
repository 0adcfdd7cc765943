"""nginx.conf as text: statements, inheritance, and the table of all directives; no directive is translated here.

Imports none of the other packages.
"""
