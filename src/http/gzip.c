/* gzip: the one user of zlib. What comes out of a request goes through a small window on the stack, so a bomb costs
 * time up to the limit of a body and no memory. A stream that packs is large (256 KB) and therefore kept
 * per thread; it is made when the first client asks for it. */
#include "http/gzip.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"

#define WINDOW 16384
#define AUTO_DETECT (15 + 32) /* zlib or gzip by the first bytes */
#define WRITE_GZIP (15 + 16)
#define WRITE_ZLIB 15
#define FAST 1

bool gzip_knows(const char *encoding)
{
    return strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0 ||
           strcasecmp(encoding, "deflate") == 0;
}

/* ---- requests ---- */

int gzip_in_start(struct gzip_in *in, struct err *err)
{
    z_stream *stream = in->stream;
    if (!stream) {
        stream = calloc(1, sizeof(*stream));
        if (!stream || inflateInit2(stream, AUTO_DETECT) != Z_OK) {
            free(stream);
            return err_set(err, KD_ENOMEM, "out of memory for decompression");
        }
        in->stream = stream;
    } else {
        inflateReset2(stream, AUTO_DETECT);
    }
    in->active = true;
    in->ended = false;
    in->produced = 0;
    return 0;
}

static int damaged(struct err *err)
{
    return err_set(err, KD_EINVAL, "decompression of the body failed: it is not valid gzip or zlib data");
}

int gzip_in_feed(struct gzip_in *in, const char *data, size_t length, uint64_t max,
                 void (*take)(void *context, const char *data, size_t length), void *context, struct err *err)
{
    z_stream *stream = in->stream;
    char window[WINDOW];
    memcpy(&stream->next_in, &data, sizeof(data)); /* zlib does not write, but does not say const either */
    stream->avail_in = (uInt)length;
    bool more = length > 0;
    while (more) {
        if (in->ended)
            return damaged(err);
        stream->next_out = (Bytef *)window;
        stream->avail_out = WINDOW;
        int result = inflate(stream, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return damaged(err);
        size_t n = WINDOW - stream->avail_out;
        in->produced += n;
        if (in->produced > max)
            return err_set(err, KD_ETOOBIG, "the decompressed body is larger than the limit of %llu bytes (max_body)",
                           (unsigned long long)max);
        if (n)
            take(context, window, n);
        in->ended = result == Z_STREAM_END;
        more = stream->avail_in > 0 || (stream->avail_out == 0 && !in->ended);
    }
    return 0;
}

int gzip_in_end(const struct gzip_in *in, struct err *err)
{
    if (in->ended)
        return 0;
    return err_set(err, KD_EINVAL, "decompression of the body failed: nothing to be decompressed or cut short");
}

void gzip_in_done(struct gzip_in *in)
{
    if (in->stream)
        inflateEnd(in->stream);
    free(in->stream);
    memset(in, 0, sizeof(*in));
}

/* ---- answers ---- */

/* The q value behind a coding, in thousandths. */
static int quality(const char *at, const char *end)
{
    const char *q = memchr(at, ';', (size_t)(end - at));
    if (!q)
        return 1000;
    q++;
    while (q < end && (*q == ' ' || *q == '\t'))
        q++;
    if (end - q < 3 || (*q | 0x20) != 'q' || q[1] != '=')
        return 1000;
    q += 2;
    int value = *q == '1' ? 1000 : 0, scale = 100;
    for (q += 2; q < end && *q >= '0' && *q <= '9' && scale > 0; q++) {
        value += (*q - '0') * scale;
        scale /= 10;
    }
    return value > 1000 ? 1000 : value;
}

enum gzip_format gzip_choose(const char *accept)
{
    int best[3] = {[GZIP_NONE] = -1, [GZIP_GZIP] = 0, [GZIP_DEFLATE] = 0};
    while (accept && *accept) {
        size_t length = strcspn(accept, ",");
        const char *end = accept + length;
        while (accept < end && (*accept == ' ' || *accept == '\t'))
            accept++;
        size_t name = strcspn(accept, ",; \t");
        int q = quality(accept, end);
        if (name == 4 && strncasecmp(accept, "gzip", name) == 0)
            best[GZIP_GZIP] = q;
        else if (name == 7 && strncasecmp(accept, "deflate", name) == 0)
            best[GZIP_DEFLATE] = q;
        else if (name == 8 && strncasecmp(accept, "identity", name) == 0)
            best[GZIP_NONE] = q;
        accept = *end ? end + 1 : end;
    }
    enum gzip_format format = best[GZIP_DEFLATE] > best[GZIP_GZIP] ? GZIP_DEFLATE : GZIP_GZIP;
    return best[format] > 0 && best[format] >= best[GZIP_NONE] ? format : GZIP_NONE;
}

static _Thread_local z_stream *packers[3];

static z_stream *packer(enum gzip_format format)
{
    z_stream *stream = packers[format];
    if (stream) {
        deflateReset(stream);
        return stream;
    }
    stream = calloc(1, sizeof(*stream));
    int window = format == GZIP_GZIP ? WRITE_GZIP : WRITE_ZLIB;
    if (stream && deflateInit2(stream, FAST, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(stream);
        return NULL;
    }
    packers[format] = stream;
    return stream;
}

bool gzip_pack(enum gzip_format format, const char *data, size_t length, struct buf *out)
{
    z_stream *stream = packer(format);
    if (!stream || length > UINT32_MAX)
        return false;
    size_t room = deflateBound(stream, length);
    char *place = buf_reserve(out, room);
    if (!place)
        return false;
    memcpy(&stream->next_in, &data, sizeof(data));
    stream->avail_in = (uInt)length;
    stream->next_out = (Bytef *)place;
    stream->avail_out = (uInt)room;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return false;
    buf_commit(out, room - stream->avail_out);
    return true;
}

void gzip_pack_free(void)
{
    for (int i = 0; i < 3; i++) {
        if (packers[i])
            deflateEnd(packers[i]);
        free(packers[i]);
        packers[i] = NULL;
    }
}
