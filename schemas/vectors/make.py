#!/usr/bin/env python3
"""Makes the test vectors of this directory, from the specifications and not from our Rust code.

Needs Python 3.11 and `cryptography`. Run it here; it rewrites every file but canonical.json,
whose vectors are RFC 8785's own or are lists of documents to refuse, written by hand.
"""

import base64
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MADE = "made by Countersign with make.py: Python's hashlib and cryptography"
LOG_NAME, LOG_SEED = "ledger.example/agents", bytes(range(32))
WITNESS_NAME, WITNESS_SEED = "witness.example/w1", bytes(range(32, 64))
EVENT_SEED = bytes(range(64, 96))
EVENT_TYPE = "application/vnd.countersign.event+json"


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def jcs(value):
    """RFC 8785 for what is used here: ASCII keys, strings, whole numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


# RFC 6962 section 2.1, by its recursive definitions.

def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    k = split(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]


def proof(m, leaves):
    return subproof(m, leaves, True)


def subproof(m, leaves, complete):
    if m == len(leaves):
        return [] if complete else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], complete) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


# C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof.

def key_hash(name, kind, key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def vkey(name, kind, key):
    return f"{name}+{key_hash(name, kind, key).hex()}+{b64(bytes([kind]) + key)}"


def signer_key(name, seed):
    return f"PRIVATE+KEY+{name}+{key_hash(name, 1, public(seed)).hex()}+{b64(bytes([1]) + seed)}"


def note_line(name, seed, text):
    return f"\u2014 {name} {b64(key_hash(name, 1, public(seed)) + sign(seed, text.encode()))}\n"


def cosignature_line(name, seed, time, text):
    signature = sign(seed, f"cosignature/v1\ntime {time}\n{text}".encode())
    blob = key_hash(name, 4, public(seed)) + time.to_bytes(8, "big") + signature
    return f"\u2014 {name} {b64(blob)}\n"


def checkpoint_body(leaves):
    return f"{LOG_NAME}\n{len(leaves)}\n{b64(root(leaves))}\n"


def checkpoint(leaves):
    body = checkpoint_body(leaves)
    return f"{body}\n{note_line(LOG_NAME, LOG_SEED, body)}"


def tlog_proof(index, leaves, note, extra=None):
    lines = ["c2sp.org/tlog-proof@v1"]
    lines += [f"extra {b64(extra)}"] if extra is not None else []
    lines += [f"index {index}"] + [b64(h) for h in path(index, leaves)]
    return "\n".join(lines) + "\n\n" + note


# DSSE and event leaves.

def pae(kind, body):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def key_id(seed):
    return "ed25519:" + sha256(public(seed))[:16].hex()


def signature(seed, kind, payload):
    return {"keyid": key_id(seed), "sig": b64(sign(seed, pae(kind, payload)))}


def leaf(payload):
    return jcs({"payload": json.loads(payload), "signatures": [signature(EVENT_SEED, EVENT_TYPE, payload)]})


def event(seq):
    return jcs({"v": 1, "seq": seq, "type": "intent.created", "data": {"text": f"caf\u00e9 \"{seq}\"\n"}})


# The files.

THREE = [b"event-0", b"event-1", b"event-2"]


def merkle_vectors():
    leaves = [f"event-{i}".encode() for i in range(9)]
    return {
        "source": f"RFC 6962 section 2.1; {MADE}. Sizes up to three as in C2SP examples.",
        "entries": [entry.decode() for entry in leaves],
        "leaf_hashes": [sha256(b"\x00" + entry).hex() for entry in leaves],
        "roots": [root(leaves[:n]).hex() for n in range(len(leaves) + 1)],
        "inclusion": [
            {"size": n, "index": m, "path": [h.hex() for h in path(m, leaves[:n])]}
            for n in range(1, len(leaves) + 1) for m in range(n)
        ],
        "consistency": [
            {"old": m, "new": n, "path": [h.hex() for h in proof(m, leaves[:n])]}
            for n in range(1, len(leaves) + 1) for m in range(1, n + 1)
        ],
    }


def note_vectors():
    body = checkpoint_body(THREE)
    cosigned = checkpoint(THREE) + cosignature_line(WITNESS_NAME, WITNESS_SEED, 1700000000, body)
    return {
        "source": f"C2SP signed-note, tlog-checkpoint and tlog-cosignature; {MADE}. "
                  "Read by Go x/mod note and by Rust signed_note.",
        "log": {"seed": LOG_SEED.hex(), "vkey": vkey(LOG_NAME, 1, public(LOG_SEED)),
                "signer_key": signer_key(LOG_NAME, LOG_SEED)},
        "witness": {"seed": WITNESS_SEED.hex(), "vkey": vkey(WITNESS_NAME, 4, public(WITNESS_SEED)),
                    "time": 1700000000},
        "checkpoint": {"origin": LOG_NAME, "size": 3, "root": root(THREE).hex(), "body": body},
        "signed": checkpoint(THREE),
        "cosigned": cosigned,
        "tlog_proof": tlog_proof(1, THREE, cosigned),
    }


def tile_vectors():
    def bundle(entries):
        return b"".join(len(e).to_bytes(2, "big") + e for e in entries)

    return {
        "source": f"C2SP tlog-tiles; {MADE}.",
        "paths": [
            {"level": 0, "index": 1234067, "width": 256, "path": "tile/0/x001/x234/067"},
            {"level": 0, "index": 0, "width": 3, "path": "tile/0/000.p/3"},
            {"level": 1, "index": 999, "width": 255, "path": "tile/1/999.p/255"},
            {"level": 63, "index": 1000, "width": 1, "path": "tile/63/x001/000.p/1"},
        ],
        "refused_paths": [
            "tile/0/x000/067", "tile/0/67", "tile/0/0067", "tile/0/001/067", "tile/0/x001", "tile/00/067",
            "tile/64/067", "tile/0/067.p/0", "tile/0/067.p/256", "tile/0/067.p/08", "tile/0/067.p/", "tile/0/",
            "tile/-1/067", "tile/0/067/", "/tile/0/067", "tile/0/0 7", "tile/0/+67", "tile/0/067.p/+8",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ],
        "sizes": [
            {"size": 0, "levels": []},
            {"size": 1, "levels": [{"full": 0, "partial": "tile/0/000.p/1"}]},
            {"size": 256, "levels": [{"full": 1, "partial": None}, {"full": 0, "partial": "tile/1/000.p/1"}]},
            {"size": 70000, "levels": [{"full": 273, "partial": "tile/0/273.p/112"},
                                       {"full": 1, "partial": "tile/1/001.p/17"},
                                       {"full": 0, "partial": "tile/2/000.p/1"}]},
        ],
        "tile": {"entries": [e.decode() for e in THREE],
                 "hex": b"".join(sha256(b"\x00" + e) for e in THREE).hex()},
        "bundle": {"entries": [e.decode() for e in THREE], "hex": bundle(THREE).hex()},
    }


def dsse_vectors():
    kind = "application/vnd.in-toto+json"
    payload = b'{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"x","subject":[]}'
    return {
        "source": f"DSSE protocol.md (first encoding); {MADE} (the rest).",
        "pae": [
            {"type": "http://example.com/HelloWorld", "body": "hello world",
             "encoded": "DSSEv1 29 http://example.com/HelloWorld 11 hello world"},
            {"type": "", "body": "", "encoded": "DSSEv1 0  0 "},
            {"type": "t\u00e9", "body": "caf\u00e9", "encoded": "DSSEv1 3 t\u00e9 5 caf\u00e9"},
        ],
        "seed": EVENT_SEED.hex(),
        "public_key": b64(public(EVENT_SEED)),
        "envelope": {"payload": b64(payload), "payloadType": kind,
                     "signatures": [signature(EVENT_SEED, kind, payload)]},
    }


def leaf_vectors():
    payloads = [event(0), jcs({}), jcs({"payload": "signatures", "signatures": []})]
    return {
        "source": MADE,
        "seed": EVENT_SEED.hex(),
        "public_key": b64(public(EVENT_SEED)),
        "keyid": key_id(EVENT_SEED),
        "payload_type": EVENT_TYPE,
        "leaves": [
            {"payload": p.decode(), "sig": signature(EVENT_SEED, EVENT_TYPE, p)["sig"],
             "leaf": leaf(p).decode(), "leaf_hash": sha256(b"\x00" + leaf(p)).hex()}
            for p in payloads
        ],
    }


def commitment_vectors():
    rows = []
    for salt, body, media_type in [
        (bytes(32), b"", "text/plain"),
        (bytes(range(32)), "caf\u00e9".encode(), "text/plain; charset=utf-8"),
        (b"\xff" * 32, bytes(range(256)) * 8, "application/octet-stream"),
    ]:
        value = {"length": len(body), "media_type": media_type, "sha256": sha256(salt + body).hex()}
        rows.append({"salt": salt.hex(), "body": b64(body), "commitment": value})
    return {"source": MADE, "commitments": rows}


def receipt_vectors():
    leaves = [leaf(event(seq)) for seq in range(5)]
    note = checkpoint(leaves)

    def receipt(indices):
        entries = [{"index": i, "leaf": leaves[i].decode(), "path": [b64(h) for h in path(i, leaves)]}
                   for i in indices]
        return jcs({"v": 1, "checkpoint": note, "entries": entries}).decode()

    return {
        "source": f"{MADE}; the .tlog-proof form is C2SP tlog-proof.",
        "vkey": vkey(LOG_NAME, 1, public(LOG_SEED)),
        "leaves": [text.decode() for text in leaves],
        "one": receipt([3]),
        "story": receipt([0, 1, 4]),
        "one_as_tlog_proof": tlog_proof(3, leaves, note, leaves[3]),
    }


def main():
    here = pathlib.Path(__file__).parent
    files = {"merkle": merkle_vectors, "notes": note_vectors, "tiles": tile_vectors, "dsse": dsse_vectors,
             "leaf": leaf_vectors, "commitment": commitment_vectors, "receipt": receipt_vectors}
    for name, make in files.items():
        text = json.dumps(make(), indent=1, ensure_ascii=True)
        (here / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
