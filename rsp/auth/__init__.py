"""Passwords and signed tokens of clients, without sockets and without a configuration.

``crypt``, ``hashes``, ``htpasswd``  hashed passwords, and whether a password is the one
``passwords``          the users of an htpasswd file; checks in threads, and what they have found
``key_sets``, ``tokens``  an issuer's keys, and the tokens that it signs
"""
