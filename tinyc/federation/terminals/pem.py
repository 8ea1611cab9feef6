"""Keys and certificates as PEM."""

from __future__ import annotations

import datetime
import ipaddress

from tinyc.core.errors import MachineError, UserError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError as missing:
    remedy = 'it comes with Flower: pip install "tinyc[federate]"'
    raise MachineError("cryptography", "is not installed", remedy) from missing


Private = ec.EllipticCurvePrivateKey
Public = ec.EllipticCurvePublicKey
# The curve that Flower makes its own keys on.
CURVE = ec.SECP384R1


def authority_and_server(hosts: tuple[str, ...], days: int) -> tuple[bytes, bytes, bytes]:
    """Make an authority and a server's certificate signed by it; give both, and the server's private key.

    Args:
        hosts: names and addresses under which terminals reach the server.
        days: how long both certificates hold.
    """
    ends = now() + datetime.timedelta(days=days)
    signer, own = ec.generate_private_key(CURVE()), ec.generate_private_key(CURVE())
    issuer, subject = (x509.Name.from_rfc4514_string(f"CN=tinyc federation {each}") for each in ("authority", "server"))
    names = x509.SubjectAlternativeName([alternative(host) for host in hosts])
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    authority = (
        blank(issuer, issuer, signer.public_key(), ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .sign(signer, hashes.SHA256())
    )
    server = (
        blank(subject, issuer, own.public_key(), ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(signed_by, critical=False)
        .sign(signer, hashes.SHA256())
    )
    return authority.public_bytes(Encoding.PEM), server.public_bytes(Encoding.PEM), private_pem(own)


def blank(subject: x509.Name, issuer: x509.Name, public: Public, ends: datetime.datetime) -> x509.CertificateBuilder:
    """Begin a certificate; it holds from a day ago, for terminals whose clocks are behind."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - datetime.timedelta(days=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def usage(signs_certificates: bool) -> x509.KeyUsage:
    """Say what a key may be used for: certificates, or nothing but signatures."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def alternative(host: str) -> x509.GeneralName:
    """Read a name or an address under which the server is reached.

    Raises:
        UserError: it is neither.
    """
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host.isascii() or not host or set(host) & set(" :/"):
        raise UserError(f"--host {host}", "is neither a name nor an address", "give it without scheme and port")
    return x509.DNSName(host)


def key_pair() -> tuple[bytes, bytes]:
    """Make a terminal's key pair: an elliptic curve key, as Flower signs requests with."""
    private = ec.generate_private_key(CURVE())
    return private_pem(private), public_pem(private.public_key())


def private_pem(key: Private) -> bytes:
    """Write a private key down."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Public) -> bytes:
    """Write a public key down."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_private(content: bytes) -> Private:
    """Load a private key; ValueError says why it is none of ours."""
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:
        raise ValueError("it is under a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("it is no elliptic curve key")
    return key


def load_public(content: bytes) -> Public:
    """Load a public key; ValueError says why it is none of ours."""
    key = load_pem_public_key(content)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("it is no elliptic curve key")
    return key


def ends_of(certificate: bytes) -> datetime.datetime:
    """Tell when a certificate runs out; ValueError where it is none."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def now() -> datetime.datetime:
    """Tell the time."""
    return datetime.datetime.now(datetime.UTC)
