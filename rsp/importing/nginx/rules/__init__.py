"""What a level says for all its locations: access, fields, types, times, and the settings of the whole file.

Imports values and syntax.
"""
