/* base64: bytes in JSON strings. Decoding in place is safe because a group of four characters is read before its
 * three bytes are written. */
#include "http/base64.h"

#include <stdint.h>

#include "base/buf.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t length, char *out, size_t *ret_length)
{
    while (length > 0 && text[length - 1] == '=' && length % 4 != 1 && length > 1)
        length--;
    if (length % 4 == 1)
        return false;
    size_t n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            out[n++] = (char)(bits >> 16);
            out[n++] = (char)(bits >> 8);
            out[n++] = (char)bits;
        }
    }
    if (length % 4 == 2)
        out[n++] = (char)(bits >> 4);
    if (length % 4 == 3) {
        out[n++] = (char)(bits >> 10);
        out[n++] = (char)(bits >> 2);
    }
    *ret_length = n;
    return true;
}

void base64_encode(struct buf *buf, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t n = length - i < 3 ? length - i : 3;
        uint32_t bits = (uint32_t)(unsigned char)data[i] << 16;
        if (n > 1)
            bits |= (uint32_t)(unsigned char)data[i + 1] << 8;
        if (n > 2)
            bits |= (unsigned char)data[i + 2];
        char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], n > 1 ? alphabet[bits >> 6 & 63] : '=',
                         n > 2 ? alphabet[bits & 63] : '='};
        buf_append(buf, group, sizeof(group));
    }
}
