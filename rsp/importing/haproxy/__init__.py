"""Haproxy.cfg, read into a :class:`rsp.importing.site.Site`."""
