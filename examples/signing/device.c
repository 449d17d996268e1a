/* A device that signs: HMAC-SHA-256 in a trailer behind the payload, as docs/signatures.md says. Plain C99, no library.
 *
 *   cc -O2 -o device device.c
 *   echo -n 21.5 | ./device KID SECRET_IN_HEX TOPIC COUNTER | mosquitto_pub -t TOPIC -s
 *
 * SECRET_IN_HEX is `k` of the JWK: echo "$k==" | basenc --base64url -di 2>/dev/null | xxd -p -c 0
 *
 * On a device only sign() is of interest. The counter must be above every one before, over restarts too: keep it in flash,
 * or keep a number of starts there and begin with it, shifted up by 32 bits. Without a clock the time is 0.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint32_t h[8]; uint64_t length; uint8_t block[64]; } sha256;

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void compress(sha256 *s)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)s->block[4 * i] << 24 | (uint32_t)s->block[4 * i + 1] << 16 | (uint32_t)s->block[4 * i + 2] << 8 |
               s->block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
        uint32_t b = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += a;
        v[0] = a + b;
    }
    for (int i = 0; i < 8; i++)
        s->h[i] += v[i];
}

static void begin(sha256 *s)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, first, sizeof first);
    s->length = 0;
}

static void add(sha256 *s, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < length; i++) {
        s->block[s->length++ % 64] = bytes[i];
        if (s->length % 64 == 0)
            compress(s);
    }
}

static void end(sha256 *s, uint8_t out[32])
{
    uint64_t bits = s->length * 8;
    add(s, "\x80", 1);
    while (s->length % 64 != 56)
        add(s, "", 1);
    for (int i = 7; i >= 0; i--) {
        uint8_t byte = (uint8_t)(bits >> 8 * i);
        add(s, &byte, 1);
    }
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - i % 4 * 8));
}

static void hmac_begin(sha256 *s, const uint8_t *key, size_t length, uint8_t pad)
{
    uint8_t block[64] = {0};
    if (length > 64) {
        sha256 hash;
        begin(&hash);
        add(&hash, key, length);
        end(&hash, block);
    } else {
        memcpy(block, key, length);
    }
    for (int i = 0; i < 64; i++)
        block[i] ^= pad;
    begin(s);
    add(s, block, 64);
}

static void put(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

/* Writes the trailer; its length. It takes 57 bytes and the key id, which is of 1 to 128 bytes. */
static size_t sign(uint8_t *trailer, const char *kid, const uint8_t *key, size_t key_length, const char *topic,
                   const uint8_t *payload, size_t length, uint64_t unix_millis, uint64_t counter)
{
    size_t kid_length = strlen(kid), topic_length = strlen(topic);
    uint8_t two[2], *at = trailer;
    sha256 inner, outer;

    put(at, unix_millis, 8);
    put(at + 8, counter, 8);
    memcpy(at + 16, kid, kid_length);

    hmac_begin(&inner, key, key_length, 0x36);
    add(&inner, "tidegate-signature-v1\0\x03", 23);
    put(two, kid_length, 2);
    add(&inner, two, 2);
    add(&inner, kid, kid_length);
    put(two, topic_length, 2);
    add(&inner, two, 2);
    add(&inner, topic, topic_length);
    add(&inner, at, 8);
    add(&inner, "\x02\x08", 2);
    add(&inner, at + 8, 8);
    add(&inner, payload, length);
    at += 16 + kid_length;
    end(&inner, at);
    hmac_begin(&outer, key, key_length, 0x5c);
    add(&outer, at, 32);
    end(&outer, at);
    at += 32;

    memcpy(at, "\x01\x00", 2); /* version, flags: a counter */
    at[2] = (uint8_t)kid_length;
    memcpy(at + 3, "\x00\x20TGS\xff", 6); /* length of the signature, magic */
    return (size_t)(at + 9 - trailer);
}

int main(int argc, char **argv)
{
    static uint8_t payload[65536 + 185], key[1024];
    size_t key_length = 0, length;
    if (argc != 5 || strlen(argv[1]) < 1 || strlen(argv[1]) > 128 || strlen(argv[3]) > 65535) {
        fprintf(stderr, "usage: device KID SECRET_IN_HEX TOPIC COUNTER < payload > signed\n");
        return 2;
    }
    for (const char *hex = argv[2]; hex[0] && hex[1] && key_length < sizeof key; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};
        key[key_length++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    length = fread(payload, 1, 65536, stdin);
    length += sign(payload + length, argv[1], key, key_length, argv[3], payload, length, 0, strtoull(argv[4], NULL, 10));
    return fwrite(payload, 1, length, stdout) == length ? 0 : 1;
}
