/* FarmHash Fingerprint64 (the portable "na" variant), SipHash-2-4 and TensorFlow's fingerprint crossing.
 *
 * Keras's Hashing, HashedCrossing and lookup layers are defined by these, bit for bit. Words are read
 * little-endian wherever they lie. */
#include "kernels/hash.h"

#include <string.h>

static const uint64_t k0 = UINT64_C(0xc3a5c85c97cb3127);
static const uint64_t k1 = UINT64_C(0xb492b66fbe98f273);
static const uint64_t k2 = UINT64_C(0x9ae16a3b2f90404f);

static uint64_t word(const char *data)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | (unsigned char)data[i];
    return value;
}

static uint64_t half_word(const char *data)
{
    uint64_t value = 0;
    for (int i = 3; i >= 0; i--)
        value = value << 8 | (unsigned char)data[i];
    return value;
}

static uint64_t rotate(uint64_t x, int right)
{
    return x >> right | x << (64 - right);
}

static uint64_t shift_mix(uint64_t x)
{
    return x ^ x >> 47;
}

static uint64_t hash16(uint64_t u, uint64_t v, uint64_t mul)
{
    uint64_t a = shift_mix((u ^ v) * mul);
    uint64_t b = shift_mix((v ^ a) * mul);
    return b * mul;
}

static uint64_t hash_0_to_16(const char *s, size_t n)
{
    uint64_t mul = k2 + n * 2;
    if (n >= 8) {
        uint64_t a = word(s) + k2, b = word(s + n - 8);
        return hash16(rotate(b, 37) * mul + a, (rotate(a, 25) + b) * mul, mul);
    }
    if (n >= 4)
        return hash16(n + (half_word(s) << 3), half_word(s + n - 4), mul);
    if (n == 0)
        return k2;
    uint64_t y = (unsigned char)s[0] + ((uint64_t)(unsigned char)s[n / 2] << 8);
    uint64_t z = n + ((uint64_t)(unsigned char)s[n - 1] << 2);
    return shift_mix(y * k2 ^ z * k0) * k2;
}

static uint64_t hash_17_to_32(const char *s, size_t n)
{
    uint64_t mul = k2 + n * 2;
    uint64_t a = word(s) * k1, b = word(s + 8), c = word(s + n - 8) * mul, d = word(s + n - 16) * k2;
    return hash16(rotate(a + b, 43) + rotate(c, 30) + d, a + rotate(b + k2, 18) + c, mul);
}

static uint64_t hash_33_to_64(const char *s, size_t n)
{
    uint64_t mul = k2 + n * 2;
    uint64_t a = word(s) * k2, b = word(s + 8), c = word(s + n - 8) * mul, d = word(s + n - 16) * k2;
    uint64_t y = rotate(a + b, 43) + rotate(c, 30) + d;
    uint64_t z = hash16(y, a + rotate(b + k2, 18) + c, mul);
    uint64_t e = word(s + 16) * mul, f = word(s + 24);
    uint64_t g = (y + word(s + n - 32)) * mul, h = (z + word(s + n - 24)) * mul;
    return hash16(rotate(e + f, 43) + rotate(g, 30) + h, e + rotate(f + a, 18) + g, mul);
}

/* The state of the loop over 64-byte blocks. */
struct farm {
    uint64_t x, y, z, v[2], w[2];
};

static void weak_hash(const char *s, uint64_t a, uint64_t b, uint64_t ret[2])
{
    a += word(s);
    b = rotate(b + a + word(s + 24), 21);
    uint64_t c = a;
    a += word(s + 8) + word(s + 16);
    b += rotate(a, 44);
    ret[0] = a + word(s + 24);
    ret[1] = b + c;
}

static void farm_round(struct farm *f, const char *s, uint64_t mul, uint64_t factor)
{
    f->x = rotate(f->x + f->y + f->v[0] + word(s + 8), 37) * mul;
    f->y = rotate(f->y + f->v[1] + word(s + 48), 42) * mul;
    f->x ^= f->w[1] * factor;
    f->y += f->v[0] * factor + word(s + 40);
    f->z = rotate(f->z + f->w[0], 33) * mul;
    weak_hash(s, f->v[1] * mul, f->x + f->w[0], f->v);
    weak_hash(s + 32, f->z + f->w[1], f->y + word(s + 16), f->w);
    uint64_t swap = f->z;
    f->z = f->x;
    f->x = swap;
}

uint64_t hash_fingerprint64(const char *data, size_t length)
{
    if (length <= 16)
        return hash_0_to_16(data, length);
    if (length <= 32)
        return hash_17_to_32(data, length);
    if (length <= 64)
        return hash_33_to_64(data, length);
    const uint64_t seed = 81;
    struct farm f = {.x = seed, .y = seed * k1 + 113};
    f.z = shift_mix(f.y * k2 + 113) * k2;
    f.x = f.x * k2 + word(data);
    size_t end = (length - 1) / 64 * 64;
    for (size_t i = 0; i < end; i += 64)
        farm_round(&f, data + i, k1, 1);
    uint64_t mul = k1 + ((f.z & 255) << 1);
    f.w[0] += (length - 1) & 63;
    f.v[0] += f.w[0];
    f.w[0] += f.v[0];
    farm_round(&f, data + length - 64, mul, 9);
    return hash16(hash16(f.v[0], f.w[0], mul) + shift_mix(f.y) * k0 + f.z,
                  hash16(f.v[1], f.w[1], mul) + f.x, mul);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 51) ^ v[0];
    v[3] = rotate(v[3], 48) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 47) ^ v[2];
    v[3] = rotate(v[3], 43) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_block(uint64_t v[4], uint64_t message)
{
    v[3] ^= message;
    sip_round(v);
    sip_round(v);
    v[0] ^= message;
}

uint64_t hash_siphash24(uint64_t key0, uint64_t key1, const char *data, size_t length)
{
    uint64_t v[4] = {key0 ^ UINT64_C(0x736f6d6570736575), key1 ^ UINT64_C(0x646f72616e646f6d),
                     key0 ^ UINT64_C(0x6c7967656e657261), key1 ^ UINT64_C(0x7465646279746573)};
    size_t whole = length / 8 * 8;
    char tail[8] = {0};
    for (size_t i = 0; i < whole; i += 8)
        sip_block(v, word(data + i));
    if (length > whole)
        memcpy(tail, data + whole, length - whole);
    sip_block(v, word(tail) | (uint64_t)length << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_fingerprint_cat64(uint64_t a, uint64_t b)
{
    const uint64_t mul = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t t = a ^ mul;
    t ^= shift_mix(b * mul) * mul;
    t *= mul;
    t = shift_mix(t) * mul;
    return shift_mix(t);
}
