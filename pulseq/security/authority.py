"""Makes what credentials consist of: authorities, and certificates that they sign. Keys are of the curve P-256."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from pulseq.security.credentials import Credentials

#: A clock that is so far behind still finds a new certificate valid.
SKEW = timedelta(hours=1)
_LIFETIME = timedelta(days=3650)
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs the certificates of a cluster's members: a certificate and its private key, as PEM."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)

    @classmethod
    def make(cls, name: str, lifetime: timedelta = _LIFETIME, *, begin: datetime | None = None) -> Authority:
        """A new one, that nobody trusts yet.

        Args:
            name: as people see it in its certificate, where a random number follows it.
            begin: from when on it is good, an hour before it included; None is now.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(f"{name} {secrets.token_hex(4)}")
        certificate = _sign(subject, key.public_key(), subject, key, _now() + lifetime, is_authority=True, begin=begin)
        return cls(_pem(certificate), _pem_of_key(key))

    def issue(self, name: str, lifetime: timedelta = _LIFETIME, *, now: datetime | None = None) -> Credentials:
        """Credentials of a member, never for longer than the authority's own.

        Args:
            now: from when on they are good, an hour before it included.
        """
        own = x509.load_pem_x509_certificate(self.certificate.encode())
        own_key = load_pem_private_key(self.key.encode(), None)
        assert isinstance(own_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        begin = now or _now()
        end = min(begin + lifetime, own.not_valid_after_utc)
        signed = _sign(_name(name), key.public_key(), own.subject, own_key, end, is_authority=False, begin=begin)
        return Credentials(self.certificate, _pem(signed), _pem_of_key(key))


def make_credentials(name: str) -> Credentials:
    """Credentials of a cluster whose members all have the same; nobody can ever issue further ones."""
    # Its key is new, so that nothing is lost where it is good from long ago on: clocks of hosts may be far behind.
    return Authority.make(name, begin=_LONG_AGO).issue(name, _now() - _LONG_AGO + _LIFETIME, now=_LONG_AGO)


def _sign(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    end: datetime,
    *,
    is_authority: bool,
    begin: datetime | None = None,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before((begin or _now()) - SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
        # Python looks for it from 3.13 on (RFC 5280, 4.2.1.3).
        .add_extension(_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
