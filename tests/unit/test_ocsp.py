"""What a responder's answer is worth, against answers that are made with ``cryptography``."""

import time
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rsp.tls.ocsp import Revoked, Subject, Unfit
from tests.certificates import DAY, authority, now

CA = authority()
ONE = CA.issue("one.example", responder="http://127.0.0.1:1/")
OTHER = CA.issue("other.example")


def der(authority_):
    return authority_.certificate.public_bytes(serialization.Encoding.DER)


def subject(issued=ONE, issuer=CA):
    return Subject((issued.der, der(issuer)))


def answer(signer=CA, about=ONE, issuer=CA, begins=-0.1, ends=7.0, appointed=None):
    builder = ocsp.OCSPResponseBuilder().add_response(
        about.certificate,
        issuer.certificate,
        hashes.SHA1(),
        ocsp.OCSPCertStatus.GOOD,
        now() + begins * DAY,
        None if ends is None else now() + ends * DAY,
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if appointed is not None:
        builder = builder.certificates([appointed.certificate])
    return builder.sign(signer.private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def refused(data, one=None, *, at=None):
    with pytest.raises(Unfit) as error:
        (one or subject()).check(data, time.time() if at is None else at)
    return str(error.value)


def test_a_good_answer_is_taken_as_it_is():
    data = CA.ocsp(ONE)
    found = subject().check(data, time.time())
    assert found.response == data
    assert 6.9 < (found.ends - time.time()) / 86400 < 7.1


def test_the_question_names_the_certificate():
    asked = ocsp.load_der_ocsp_request(subject().request)
    assert asked.serial_number == ONE.certificate.serial_number


def test_revoked():
    with pytest.raises(Revoked, match="says that the certificate is revoked since"):
        subject().check(CA.ocsp(ONE, revoked=True), time.time())


def test_what_is_about_another_certificate_or_time_or_by_another_authority():
    stranger = authority("Stranger")
    assert "another certificate" in refused(CA.ocsp(OTHER))
    assert "held until" in refused(CA.ocsp(ONE, begins=-8, ends=-1))
    assert "held until" in refused(CA.ocsp(ONE), at=time.time() + 8 * 86400)
    assert "begins to hold" in refused(CA.ocsp(ONE, begins=1))
    assert "signed neither" in refused(answer(signer=stranger))
    assert "signed neither" in refused(answer(signer=stranger, appointed=stranger))
    assert "signed neither" in refused(answer(signer=OTHER, appointed=OTHER))  # of the same authority, not appointed


def test_an_answer_without_an_end_is_used_for_an_hour():
    found = subject().check(answer(ends=None), time.time())
    assert 3500 < found.ends - time.time() <= 3600


@pytest.mark.parametrize("data", [b"", b"x", b"0" * 70000, CA.ocsp(ONE)[:-1], CA.ocsp(ONE)[:40]], ids=range(5))
def test_garbage(data):
    assert refused(data)


def test_a_changed_byte_is_refused_or_does_no_harm():
    data = CA.ocsp(ONE)
    one = subject()
    for index in range(0, len(data), 3):
        changed = data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
        try:
            one.check(changed, time.time())
        except Unfit:
            continue


def test_says_that_it_cannot_answer():
    data = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert refused(data.public_bytes(serialization.Encoding.DER)) == "says try later"


def test_the_issuer_has_to_be_in_the_chain():
    with pytest.raises(Unfit, match="its issuer is not in the file"):
        Subject((ONE.der,))
    with pytest.raises(Unfit, match="its issuer is not in the file"):
        Subject((ONE.der, der(authority("Stranger"))))


def test_must_staple():
    assert not subject().must_staple
    assert subject(CA.issue("one.example", must_staple=True)).must_staple


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_a_responder_that_the_issuer_has_appointed(kind):
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Responder")])

    def appointed(by, usage, ends=1):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(by.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - 2 * DAY)
            .not_valid_after(now() + ends * DAY)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(by.private, hashes.SHA256())
        )
        signer = SimpleNamespace(certificate=certificate, private=key)
        return answer(signer=signer, appointed=signer)

    signs, serves = ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH
    assert subject().check(appointed(CA, signs), time.time()).response
    assert "signed neither" in refused(appointed(CA, serves))
    assert "signed neither" in refused(appointed(CA, signs, ends=-1))
    assert "signed neither" in refused(appointed(authority("Stranger"), signs))
