"""What words of nginx.conf stand for: variables, maps, addresses, times, placeholders; and what a translation collects.

Imports syntax.
"""
