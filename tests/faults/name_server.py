"""A name server on real sockets (UDP, TCP for long answers) that says what the test wants it to say, or nothing."""

import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """``records``: (name, type) to (TTL, values).  ``fault``: ``ok``, ``silent`` or ``servfail``."""

    def __init__(self, records=None):
        self.records = records or {}
        self.fault = "ok"
        self.asked = []
        self._socket, self._listener = _pair()
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()
        threading.Thread(target=self._serve_long, daemon=True).start()

    def set(self, name, kind, ttl, *values):
        self.records[name, kind] = (ttl, values)

    def _serve(self):
        while True:
            try:
                data, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if self.fault != "silent":
                query = dns.message.from_wire(data)
                answer = self._answer(query)
                if len(answer) > 1232:
                    truncated = dns.message.make_response(query)  # the resolver asks by TCP then
                    truncated.flags |= dns.flags.TC
                    answer = truncated.to_wire()
                self._socket.sendto(answer, client)

    def _serve_long(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
                query = connection.recv(length, socket.MSG_WAITALL)
                answer = self._answer(dns.message.from_wire(query))
                connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, query):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.fault == "servfail":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.records:
            ttl, values = self.records[name, kind]
            if values:
                response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *values))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._listener.close()


def _pair():
    """A UDP socket and a listening TCP socket at one port."""
    while True:
        listener = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind(listener.getsockname())
        except OSError:  # somebody else's
            listener.close()
            datagrams.close()
            continue
        return datagrams, listener
