#!/usr/bin/env python3
"""A consumer that verifies what a device, or the gateway, has signed in User Properties of MQTT 5.0.

    tidegate sign --keys KEYS --kid KID --topic TOPIC --json FILE | consumer.py PUBLIC

Reads messages as JSON, one a line, from standard input and writes their payloads; ends with 1 at the first that does not
hold. A secret (HS256) needs nothing, an Ed25519 key the package `cryptography`.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

from device import covered, decode, encode

MAX_AGE, CLOCK_SKEW = 30_000, 5_000


class Refused(Exception):
    """Why a message is not taken."""


class Verifier:
    def __init__(self, keys):
        self.keys = {key["kid"]: key for key in keys}
        self.used = {}  # (kid, nonce) to when it may be forgotten

    def verify(self, topic, payload, properties, now=None):
        """Returns the id of the key, or raises Refused."""
        now = time.time_ns() // 1_000_000 if now is None else now
        found = {}
        for name, value in properties:
            if name in found and name.startswith("tg-"):
                raise Refused("duplicate")
            found[name] = value
        try:
            kid, millis, made = found["tg-kid"], int(found["tg-time"]), decode(found["tg-sig"])
            nonce = decode(found["tg-nonce"])
        except (KeyError, ValueError) as error:
            raise Refused("missing or malformed") from error
        # One nonce has one text; a second text for it would be a second nonce to those who compare texts.
        if encode(nonce) != found["tg-nonce"] or not 8 <= len(nonce) <= 64 or millis <= 0:
            raise Refused("malformed")
        key = self.keys.get(kid)
        if key is None:
            raise Refused("unknown_key")
        if not key.get("nbf", 0) * 1000 <= now < key.get("exp", float("inf")) * 1000:
            raise Refused("key_not_valid")
        if not -CLOCK_SKEW <= now - millis <= MAX_AGE + CLOCK_SKEW:
            raise Refused("stale or early")
        if not holds(key, covered(kid, topic, millis, nonce, payload), made):
            raise Refused("signature")
        # Only now: who can't sign can't use up nonces.
        self.used = {use: until for use, until in self.used.items() if until >= now}
        if (kid, nonce) in self.used:
            raise Refused("replayed")
        self.used[kid, nonce] = millis + MAX_AGE + CLOCK_SKEW
        return kid


def holds(key, data, made):
    if key["kty"] == "oct":
        return hmac.compare_digest(hmac.new(decode(key["k"]), data, hashlib.sha256).digest(), made)
    if key.get("crv") != "Ed25519":
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(decode(key["x"])).verify(made, data)
        return True
    except InvalidSignature:
        return False


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        verifier = Verifier(json.load(file)["keys"])
    for line in sys.stdin:
        message = json.loads(line)
        payload = base64.b64decode(message["payload"])
        try:
            verifier.verify(message["topic"], payload, message["properties"])
        except Refused as why:
            sys.exit(f"refused: {why}")
        sys.stdout.buffer.write(payload + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
