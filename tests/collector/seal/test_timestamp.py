"""Time-stamps: by the published vectors, and by an authority of the tests' own (`openssl ts`)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, tsp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.seal import timestamp
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint
from collector.seal.timestamp import roots_of
from tests.collector.seal import vectors
from tests.collector.seal.tsa import Authority, Issued, issue

TEXT = Checkpoint("school.example.ac.th/ledger/2027", 7, bytes(32)).text


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


def trusted(authority: Authority) -> tuple[timestamp.Certificate, ...]:
    return timestamp.read_pem(authority.roots_pem)


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as fault:
        act()
    assert fault.value.number == "E-18"
    return str(fault.value)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("sigstage/response-sha256", True),
        ("sigstage/response-sha512", True),
        ("sigstage/response-invalid-signature", False),
        ("sigstore.mock/response-expired", True),
        ("test_tsa/response", True),
    ],
)
def test_published_tokens_hold_for_their_message_alone(name: str, good: bool) -> None:
    folder = vectors.folder(f"rfc3161/{name.partition('/')[0]}")
    token = (folder / f"{name.partition('/')[2]}.tsr").read_bytes()
    chain = timestamp.read_pem((folder / "ts_chain.pem").read_bytes())
    payload = folder / "payload"
    text = payload.read_bytes() if payload.exists() else b"hello"
    roots = roots_of(chain)
    if good:
        assert timestamp.check(token, text, trusted=roots, chain=chain).time_us > 0
    else:
        refused(lambda: timestamp.check(token, text, trusted=roots, chain=chain))
    refused(lambda: timestamp.check(token, text + b"!", trusted=roots, chain=chain))


def test_an_answer_to_our_request_holds_and_openssl_takes_what_is_kept(
    authority: Authority, tmp_path: Path
) -> None:
    asked = timestamp.request(TEXT)
    answer = authority.stamp(asked.body)
    stamp = timestamp.check(answer, TEXT, trusted=trusted(authority), nonce=asked.nonce)
    assert stamp.signer == "CN=Clock of the tests"
    assert stamp.accuracy_us == 1_000_000
    assert stamp.time_us == timestamp.time_of(answer)
    chain = timestamp.kept_chain(answer, trusted(authority))
    subjects = [c.subject.rfc4514_string() for c in timestamp.read_pem(chain)]
    assert subjects == ["CN=Clock of the tests", "CN=Issuer of time", "CN=Root of time"]
    (tmp_path / "7.tsa.tsr").write_bytes(answer)
    (tmp_path / "7.tsa.pem").write_bytes(chain)
    kept = (tmp_path / "7.tsa.tsr", TEXT, tmp_path / "7.tsa.pem")
    assert authority.accepted_by_openssl(*kept)
    assert not authority.accepted_by_openssl(kept[0], TEXT + b"!", kept[2])


def test_another_nonce_text_or_root_is_refused(authority: Authority, tmp_path: Path) -> None:
    asked = timestamp.request(TEXT)
    answer = authority.stamp(asked.body)
    good = trusted(authority)
    assert "once" in refused(
        lambda: timestamp.check(answer, TEXT, trusted=good, nonce=asked.nonce + 1)
    )
    refused(lambda: timestamp.check(answer, TEXT[:-1], trusted=good))
    others = trusted(Authority(tmp_path / "other"))  # of the same name
    refused(lambda: timestamp.check(answer, TEXT, trusted=others))
    refused(lambda: timestamp.check(answer, TEXT, trusted=()))


def test_a_root_that_lies_with_the_token_is_not_believed(authority: Authority) -> None:
    answer = authority.stamp(timestamp.request(TEXT).body)
    theirs = timestamp.read_pem(authority.root.pem + authority.between.pem)
    between = timestamp.read_pem(authority.between.pem)
    assert "root" in refused(lambda: timestamp.check(answer, TEXT, trusted=(), chain=theirs))
    refused(lambda: timestamp.check(answer, TEXT, trusted=between, chain=theirs))


def test_the_way_to_the_root_may_come_from_the_settings(authority: Authority) -> None:
    answer = authority.stamp(timestamp.request(TEXT).body, chain=authority.signer.pem)
    refused(lambda: timestamp.check(answer, TEXT, trusted=trusted(authority)))
    both = timestamp.read_pem(authority.between.pem + authority.root.pem)
    assert timestamp.check(answer, TEXT, trusted=both).time_us


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"uses": ()}, "no extended key usage"),
        ({"critical": False}, "critical"),
        ({"uses": (ExtendedKeyUsageOID.CODE_SIGNING,)}, "time-stamping alone"),
        (
            {"uses": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)},
            "time-stamping alone",
        ),
        ({"days": (-20, -10)}, "expired"),
        ({"days": (5, 10)}, "not yet valid"),
    ],
)
def test_a_signer_that_may_do_more_or_not_now_is_refused(
    authority: Authority, wrong: dict[str, Any], why: str
) -> None:
    signer = issue("Clock of the tests", authority.between, **wrong)
    answer = signed_anew(authority.stamp(timestamp.request(TEXT).body), authority.signer, signer)
    told = refused(lambda: timestamp.check(answer, TEXT, trusted=trusted(authority)))
    assert why in told


def test_a_certificate_put_in_the_signers_place_is_refused(authority: Authority) -> None:
    """The same key and name under another number: the signature names another certificate."""
    twin = issue("Clock of the tests", authority.between, key=authority.signer.key)
    answer = authority.stamp(timestamp.request(TEXT).body)
    held = timestamp.read_pem(authority.signer.pem)[0]
    changed = _replaced(answer, held.public_bytes(Encoding.DER), twin)
    refused(lambda: timestamp.check(changed, TEXT, trusted=trusted(authority)))


def _replaced(answer: bytes, held: bytes, twin: Issued) -> bytes:
    read = tsp.TimeStampResp.load(answer)
    content = read["time_stamp_token"]["content"]
    others = [c.dump() for c in content["certificates"] if c.dump() != held]
    assert len(others) == len(content["certificates"]) - 1
    der = twin.certificate.public_bytes(Encoding.DER)
    chosen = [cms.CertificateChoices.load(one) for one in sorted([*others, der])]
    content["certificates"] = cms.CertificateSet(chosen)
    changed: bytes = read.dump()
    return changed


def signed_anew(answer: bytes, old: Issued, new: Issued) -> bytes:
    """Return a token as the holder of a certificate would make it that OpenSSL refuses to use."""
    read = tsp.TimeStampResp.load(
        _replaced(answer, old.certificate.public_bytes(Encoding.DER), new)
    )
    info = read["time_stamp_token"]["content"]["signer_infos"][0]
    info["sid"].chosen["serial_number"] = new.certificate.serial_number
    der = new.certificate.public_bytes(Encoding.DER)
    for attribute in info["signed_attrs"]:
        if attribute["type"].native == "signing_certificate_v2":
            first = attribute["values"][0]["certs"][0]
            first["cert_hash"] = hashlib.sha256(der).digest()
            del first["issuer_serial"]
    signed = info["signed_attrs"].untag().dump(force=True)
    info["signature"] = new.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    changed: bytes = read.dump(force=True)
    return changed


def test_a_token_signed_anew_holds_where_the_certificate_is_good(authority: Authority) -> None:
    other = issue("Clock of the tests", authority.between)
    answer = signed_anew(authority.stamp(timestamp.request(TEXT).body), authority.signer, other)
    assert timestamp.check(answer, TEXT, trusted=trusted(authority)).signer


def test_accuracy_and_time_have_bounds(tmp_path: Path) -> None:
    rough = Authority(tmp_path / "rough", accuracy="secs:61")
    answer = rough.stamp(timestamp.request(TEXT).body)
    assert "accuracy" in refused(lambda: timestamp.check(answer, TEXT, trusted=trusted(rough)))
    fine = Authority(tmp_path / "fine", accuracy="millisecs:500, microsecs:100", ess="sha1")
    answer = fine.stamp(timestamp.request(TEXT).body)
    stamp = timestamp.check(answer, TEXT, trusted=trusted(fine))
    assert stamp.accuracy_us == 500_100
    covers = stamp.time_us
    assert timestamp.check(answer, TEXT, trusted=trusted(fine), covers_us=covers) == stamp
    assert "earlier" in refused(
        lambda: timestamp.check(answer, TEXT, trusted=trusted(fine), covers_us=covers + 1)
    )


def test_a_refusal_of_the_authority_is_told(authority: Authority) -> None:
    answer = authority.stamp(b"this is no request")
    assert "did not grant" in refused(
        lambda: timestamp.check(answer, TEXT, trusted=trusted(authority))
    )


def test_no_flipped_bit_of_what_is_signed_goes_unseen(authority: Authority) -> None:
    answer = authority.stamp(timestamp.request(TEXT).body)
    good = timestamp.check(answer, TEXT, trusted=trusted(authority))
    places = random.Random(3161).sample(range(len(answer) * 8), 30)
    for place in places:
        wrong = bytearray(answer)
        wrong[place // 8] ^= 1 << place % 8
        try:
            found = timestamp.check(bytes(wrong), TEXT, trusted=trusted(authority))
        except Refused:
            continue
        assert found == good  # in a certificate that is not needed; the anchor entry pins all


@pytest.fixture(scope="module")
def token(authority: Authority) -> bytes:
    return authority.stamp(timestamp.request(TEXT).body)


@settings(max_examples=30)
@given(data=st.data())
def test_any_bytes_are_refused_or_hold(data: st.DataObject, token: bytes) -> None:
    at = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(0, 40))
    wrong = token[:at] + data.draw(st.binary(max_size=40)) + token[at + cut :]
    for body in (wrong, data.draw(st.binary(max_size=200))):
        for act in (timestamp.time_of, lambda b: timestamp.check(b, TEXT, trusted=())):
            try:
                act(body)
            except Refused as fault:
                assert fault.number == "E-18"
    try:
        timestamp.read_pem(b"-----BEGIN CERTIFICATE-----\n" + body)
    except Refused as fault:
        assert fault.number == "E-18"
