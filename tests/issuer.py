"""An issuer of tokens for tests: keys, what it publishes of them, tokens, and a server that has the keys."""

import base64
import http.server
import json
import threading
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

_MAKERS = {
    "RS": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "PS": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "ES384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    "ES512": (lambda: ec.generate_private_key(ec.SECP521R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}


def encoded(data):
    """Base64url, as tokens have it."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class SigningKey:
    """``algorithm``: what it signs with.  ``kid``: its name; ``None``: it has none."""

    def __init__(self, algorithm="ES256", kid="one"):
        make, kind = _MAKERS.get(algorithm) or _MAKERS[algorithm[:2]]
        self.algorithm, self.kid = algorithm, kid
        self.private = make()
        self.published = json.loads(kind.to_jwk(self.private.public_key())) | ({"kid": kid} if kid is not None else {})

    def token(self, claims=None, header=None, **more):
        """``more``: claims that differ from the usual ones; ``None``: left out."""
        now = int(time.time())
        usual = {"iss": "https://id.example.com", "aud": "api", "sub": "ann", "iat": now, "exp": now + 300}
        whole = usual | more if claims is None else claims
        whole = {name: value for name, value in whole.items() if value is not None}
        named = {"kid": self.kid} if self.kid is not None else {}
        return jwt.encode(whole, self.private, self.algorithm, headers=named | (header or {}))


def published(*keys):
    """The set of the keys, as a server has it."""
    return json.dumps({"keys": [key.published if isinstance(key, SigningKey) else key for key in keys]}).encode()


class Issuer:
    """A server that answers with ``content`` and ``status``, and counts in ``asked``; over TLS with ``context``."""

    def __init__(self, content, context=None, port=0):
        self.content, self.status, self.asked = content, 200, 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(issuer.content)))
                self.end_headers()
                self.wfile.write(issuer.content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
