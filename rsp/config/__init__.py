"""What a configuration is: its schema, its errors, and its forms as text.

``schema``     one table that is validation, defaults and reference at once
``units``      durations, sizes and addresses as people write them
``build``      declarations (plain data with source positions) to a checked ``Config``
``errors``     how a mistake is named: file, line, key, what was expected, what was probably meant
``locate``     finds the line of a key inside a Lua table that spans lines
``dump``       a ``Config`` as Lua text (``rsp -T``)
``reference``  the schema as Markdown (``docs/configuration.md``)

The Lua that users write is evaluated elsewhere (``rsp/lua``); nothing here runs it.
"""
