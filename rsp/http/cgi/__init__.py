"""Peers that are told of a request by the variables of CGI/1.1 (RFC 3875), over a connection.

``scripts``     which script a path is for
``variables``   what a peer is told of a request
``response``    the head of a response, as a script writes it
``records``     what FastCGI puts both into
``fastcgi``     a connection to a peer that speaks FastCGI
``uwsgi``       one to a peer that speaks uwsgi
"""
