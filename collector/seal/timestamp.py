"""Time-stamps (RFC 3161) over checkpoints: what is asked, and what is believed of the answer.

The imprint is of the checkpoint's text alone, so that signature lines attached later change
nothing. A token is believed when its signer is the certificate that the signature itself names
(ESSCertID, RFC 5816), which may do nothing but stamp, and whose chain ends in a root that was given
from outside and held at the time of the stamp. Certificates that come with a token only help to
find the way to such a root.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    Accuracy,
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from collector.seal.fault import Refused

REQUEST_TYPE = "application/timestamp-query"
ANSWER_TYPE = "application/timestamp-reply"
MAX_BYTES = 1 << 18
SLACK_US = 300_000_000
"""So far may an authority's clock stand behind the box's, beside the offset that is known."""
MOST_ACCURACY_US = 60_000_000
_LONGEST_CHAIN = 10
_IMPRINTS = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}
_ESS_HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384}
_ESS_HASHES["sha512"] = hashlib.sha512

_ODD = (
    *(ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
    UnsupportedAlgorithm,
)
"""What the readers of ASN.1 raise on bytes that are none, or none of theirs."""

Certificate = x509.Certificate


class Request(NamedTuple):
    """What is sent to an authority, and the number that its answer must bear."""

    body: bytes
    nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a token that holds says."""

    time_us: int
    """Not later than this the text was there."""
    accuracy_us: int
    signer: str
    """Subject of the certificate that signed."""
    chain_end_us: int
    """When the first certificate of the chain ends."""


def request(text: bytes) -> Request:
    """Return a request for the text of a checkpoint: SHA-256, a nonce, certificates wanted."""
    built = TimestampRequestBuilder(text, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
    if built.nonce is None:
        raise Refused("E-18", "a request without nonce")
    return Request(built.as_bytes(), built.nonce)


def read_pem(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates in a PEM file.

    Raises:
        Refused: E-18, there is none, or one is damaged.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError as error:
        raise Refused("E-18", "not a PEM file of certificates") from error


def roots_of(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return those that issued themselves; only they end a chain."""
    return tuple(c for c in certificates if c.issuer == c.subject)


def end_us(chain: Sequence[Certificate]) -> int:
    """Return when the first certificate of a chain ends, in µs."""
    return min(int(c.not_valid_after_utc.timestamp()) for c in chain) * 1_000_000


def time_of(response: bytes) -> int:
    """Return the time in a token in µs; nothing else is checked.

    Raises:
        Refused: E-18, not a token.
    """
    return _microseconds(_decode(response))


def check(
    response: bytes,
    text: bytes,
    *,
    trusted: Sequence[Certificate],
    chain: Sequence[Certificate] = (),
    nonce: int | None = None,
    covers_us: int = 0,
) -> Stamp:
    """Return what the token over a checkpoint says, if it holds.

    Args:
        response: The answer of an authority, whole.
        text: Of the checkpoint.
        trusted: Roots from outside, and certificates that lead to them.
        chain: Certificates kept with the token; none of them is believed for that.
        nonce: What was asked with, at receipt.
        covers_us: The token may not be earlier than this.

    Raises:
        Refused: E-18.
    """
    answer = _decode(response)
    if answer.status != 0:
        told = "; ".join(answer.status_string)
        raise Refused("E-18", f"the authority did not grant it: status {answer.status} {told}")
    try:
        held = [x509.load_der_x509_certificate(c) for c in answer.signed_data.certificates]
        signer = _signer(response, [*held, *chain])
        _check_use(signer)
        _verify(answer, text, signer, _Trust(trusted, [*held, *chain]), nonce)
        stamp = _stamp(answer, path(signer, [*held, *chain, *trusted]))
    except (VerificationError, *_ODD) as error:
        raise Refused("E-18", f"the token does not hold: {_short(error)}") from error
    if stamp.accuracy_us > MOST_ACCURACY_US:
        raise Refused("E-18", f"its accuracy is {stamp.accuracy_us / 1e6:g} s")
    if stamp.time_us < covers_us:
        late = (covers_us - stamp.time_us) / 1e6
        raise Refused("E-18", f"it is {late:.0f} s earlier than the entries that it covers can be")
    return stamp


def kept_chain(response: bytes, trusted: Sequence[Certificate]) -> bytes:
    """Return the chain of a token that holds as PEM, the signer first, the root last."""
    answer = _decode(response)
    held = [x509.load_der_x509_certificate(c) for c in answer.signed_data.certificates]
    signer = _signer(response, [*held, *trusted])
    found = path(signer, [*held, *trusted])
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


def check_chain(response: bytes, kept: bytes) -> tuple[Certificate, ...]:
    """Return the certificates kept beside a token, which must be its chain and nothing else.

    Raises:
        Refused: E-25, bytes that are not those of the signer's chain up to a root; E-18, no token.
    """
    try:
        chain = read_pem(kept)
        again = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
        whole = chain[0] == _signer(response, chain) and list(chain) == path(chain[0], chain)
    except (Refused, *_ODD) as error:
        raise Refused("E-25", f"not the chain of the token: {_short(error)}") from error
    if again != kept or not whole or not _issued(chain[-1], chain[-1]):
        raise Refused("E-25", "not the chain of the token, signer first, root last")
    return chain


def path(signer: Certificate, others: Sequence[Certificate]) -> list[Certificate]:
    """Return the signer and who issued whom behind it, as far as the others lead."""
    found = [signer]
    while found[-1].issuer != found[-1].subject and len(found) < _LONGEST_CHAIN:
        above = next((c for c in others if _issued(c, found[-1])), None)
        if above is None:
            break
        found.append(above)
    return found


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    with suppress(InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        certificate.verify_directly_issued_by(issuer)
        return True
    return False


def _decode(response: bytes) -> TimeStampResponse:
    if len(response) > MAX_BYTES:
        raise Refused("E-18", f"an answer of {len(response)} bytes")
    try:
        answer, canonical = _lenient(response)
        if answer.as_bytes() != canonical:
            raise Refused("E-18", "the answer is not in its one encoding")
        if answer.status in (0, 1):
            _ = answer.tst_info.gen_time  # there must be a token
    except _ODD as error:
        raise Refused("E-18", f"not the answer of an authority: {_short(error)}") from error
    return answer


def _lenient(response: bytes) -> tuple[TimeStampResponse, bytes]:
    """Return an answer as read, and the bytes that it was read from.

    The certificates are a set outside of what is signed. Authorities put them in any order, and
    OpenSSL does not mind; the library does: for it they are put in the order of DER.
    """
    try:
        return decode_timestamp_response(response), response
    except ValueError:
        read = tsp.TimeStampResp.load(response, strict=True)
        content = read["time_stamp_token"]["content"]
        found = sorted(certificate.dump() for certificate in content["certificates"])
        ordered = [cms.CertificateChoices.load(der) for der in found]
        content["certificates"] = cms.CertificateSet(ordered)
        changed: bytes = read.dump()
        return decode_timestamp_response(changed), changed


class _Trust(NamedTuple):
    roots: Sequence[Certificate]
    others: Sequence[Certificate]


def _verify(
    answer: TimeStampResponse, text: bytes, signer: Certificate, trust: _Trust, nonce: int | None
) -> None:
    imprint = answer.tst_info.message_imprint
    hashed = _IMPRINTS.get(imprint.hash_algorithm.dotted_string)
    if hashed is None:
        raise VerificationError(f"an imprint by {imprint.hash_algorithm.dotted_string}")
    roots = list(roots_of(trust.roots))
    if not roots:
        raise VerificationError("no root is among the certificates to believe")
    # What issued itself would be believed; the rest only helps to find the way to a root.
    between = [c for c in (*trust.roots, *trust.others) if c.issuer != c.subject and c != signer]
    builder = VerifierBuilder(
        tsa_certificate=signer,
        roots=roots,
        intermediates=list(dict.fromkeys(between)),
        nonce=nonce,
    )
    builder.build().verify(answer, hashed(text).digest())


def _signer(response: bytes, certificates: Sequence[Certificate]) -> Certificate:
    """Return the certificate that the signed attributes name (RFC 5035, RFC 5816).

    Raises:
        Refused: E-18, it is not there, or not the one of issuer and serial number.
    """
    try:
        signed = tsp.TimeStampResp.load(response, strict=True)["time_stamp_token"]["content"]
        infos = signed["signer_infos"]
        if len(infos) != 1 or signed["encap_content_info"]["content_type"].native != "tst_info":
            raise Refused("E-18", "not one signature over a time-stamp")
        named = list(_named(infos[0]))
        sid = infos[0]["sid"].chosen
        serial, issuer = sid["serial_number"].native, sid["issuer"].dump()
    except _ODD as error:
        raise Refused("E-18", f"the token cannot be read: {_short(error)}") from error
    if not named:
        raise Refused("E-18", "the token does not name its certificate (ESSCertID)")
    unique = dict.fromkeys(certificates)
    by_sid = [c for c in unique if c.serial_number == serial and c.issuer.public_bytes() == issuer]
    if len(by_sid) != 1:
        raise Refused("E-18", f"{len(by_sid)} certificates are the signer's, not one")
    der = by_sid[0].public_bytes(Encoding.DER)
    if any(hashed(der).digest() != told for hashed, told in named):
        raise Refused("E-18", "the signer's certificate is not the one that the signature names")
    return by_sid[0]


def _named(info: cms.SignerInfo) -> Iterator[tuple[Any, bytes]]:
    """Give hash and value of the first certificate of each `signing certificate` attribute."""
    for attribute in info["signed_attrs"]:
        kind = attribute["type"].native
        if kind not in ("signing_certificate", "signing_certificate_v2"):
            continue
        first = attribute["values"][0]["certs"][0]
        # Version 2 without an algorithm means SHA-256 (RFC 5035 section 4): read so already.
        older = kind == "signing_certificate"
        name = "sha1" if older else first["hash_algorithm"]["algorithm"].native
        if name not in _ESS_HASHES:
            raise Refused("E-18", f"the signer's certificate is named by {name}")
        yield _ESS_HASHES[name], first["cert_hash"].native


def _check_use(signer: Certificate) -> None:
    """Refuse a signer that may do anything else than stamp (RFC 3161 section 2.3)."""
    try:
        use = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise Refused("E-18", "the signer's certificate has no extended key usage") from error
    if not use.critical or list(use.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise Refused("E-18", "the signer's key usage is not time-stamping alone, critical")
    with suppress(x509.ExtensionNotFound):
        if signer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise Refused("E-18", "the signer's certificate is that of an issuer")


def _stamp(answer: TimeStampResponse, chain: Sequence[Certificate]) -> Stamp:
    told: Accuracy | None = answer.tst_info.accuracy
    parts = () if told is None else ((told.seconds, 10**6), (told.millis, 10**3), (told.micros, 1))
    return Stamp(
        time_us=_microseconds(answer),
        accuracy_us=sum((count or 0) * unit for count, unit in parts),
        signer=chain[0].subject.rfc4514_string(),
        chain_end_us=end_us(chain),
    )


def _microseconds(answer: TimeStampResponse) -> int:
    when = answer.tst_info.gen_time
    return int(when.replace(microsecond=0).timestamp()) * 1_000_000 + when.microsecond


def _short(error: Exception) -> str:
    """Return an error in few words; OpenSSL tells the whole way that it went."""
    told = " ".join(str(error).split())
    if found := re.search(r'Verify error: ?([^"]+)', told):
        return f"{found[1]}"
    return "its signature is wrong" if "signature failure" in told else told[:200]
