"""``rsp man``: the manual pages, made of the parsers of the programs and of the schema; nothing is written twice."""
