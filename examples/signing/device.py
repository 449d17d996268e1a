#!/usr/bin/env python3
"""A device that signs: User Properties of MQTT 5.0, as docs/signatures.md says.

    echo -n 21.5 | device.py KEYS KID TOPIC | tidegate verify --keys PUBLIC --message -

KEYS is a JWK set with the key KID: a secret (HS256), or an Ed25519 key, which needs the package `cryptography`. With
paho-mqtt the properties go into `Properties(PacketTypes.PUBLISH).UserProperty`, a list of pairs as here.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def covered(kid, topic, millis, nonce, payload):
    """The bytes to be signed."""
    kid, topic = kid.encode(), topic.encode()
    return (
        b"tidegate-signature-v1\0\x01"
        + struct.pack(">H", len(kid)) + kid
        + struct.pack(">H", len(topic)) + topic
        + struct.pack(">QBB", millis, 1, len(nonce)) + nonce
        + payload
    )


def signature(key, data):
    if key["kty"] == "oct":
        return hmac.new(decode(key["k"]), data, hashlib.sha256).digest()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(decode(key["d"])).sign(data)


def sign(key, topic, payload):
    """The User Properties to publish with."""
    kid, millis, nonce = key["kid"], time.time_ns() // 1_000_000, os.urandom(16)
    made = signature(key, covered(kid, topic, millis, nonce, payload))
    return [
        ("tg-kid", kid),
        ("tg-time", str(millis)),
        ("tg-nonce", encode(nonce)),
        ("tg-sig", encode(made)),
    ]


def main():
    keys, kid, topic = sys.argv[1:]
    with open(keys, encoding="utf-8") as file:
        key = next(key for key in json.load(file)["keys"] if key["kid"] == kid)
    payload = sys.stdin.buffer.read()
    message = {"topic": topic, "payload": base64.b64encode(payload).decode(), "properties": sign(key, topic, payload)}
    print(json.dumps(message))


if __name__ == "__main__":
    main()
