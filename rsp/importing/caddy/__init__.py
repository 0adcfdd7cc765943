"""A Caddyfile, read into a :class:`rsp.importing.site.Site`."""
