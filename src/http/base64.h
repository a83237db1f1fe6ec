/* Base64 (RFC 4648, standard alphabet). */
#ifndef KD_HTTP_BASE64_H
#define KD_HTTP_BASE64_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Decodes; padding may be left out. out may be text itself (it needs 3/4 of length). False if a character does not
 * belong or the length cannot be. */
bool base64_decode(const char *text, size_t length, char *out, size_t *ret_length);
/* Appends the encoded bytes, padded. */
void base64_encode(struct buf *buf, const char *data, size_t length);

#endif
