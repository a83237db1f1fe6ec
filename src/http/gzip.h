/* Gzip: bodies with Content-Encoding gzip or deflate, requests unpacked as they arrive, answers packed. */
#ifndef KD_HTTP_GZIP_H
#define KD_HTTP_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* One request body; zero-filled is ready. The memory is kept between uses. */
struct gzip_in {
    void *stream; /* z_stream */
    bool active, ended;
    uint64_t produced;
};

/* True for "gzip", "x-gzip" and "deflate" in any case. */
bool gzip_knows(const char *encoding);
/* KD_ENOMEM. */
int gzip_in_start(struct gzip_in *in, struct err *err);
/* Unpacks a piece and hands it on. KD_ETOOBIG when more than max bytes come out in all, KD_EINVAL if the data is
 * damaged; feed no more then. */
int gzip_in_feed(struct gzip_in *in, const char *data, size_t length, uint64_t max,
                 void (*take)(void *context, const char *data, size_t length), void *context, struct err *err);
/* KD_EINVAL if the stream is not complete. */
int gzip_in_end(const struct gzip_in *in, struct err *err);
void gzip_in_done(struct gzip_in *in);

enum gzip_format { GZIP_NONE, GZIP_GZIP, GZIP_DEFLATE };
/* The best of what an Accept-Encoding header allows, by its q values. accept may be NULL. */
enum gzip_format gzip_choose(const char *accept);
/* Packs all of `in` behind what is in out; false if that fails (out is then as before). */
bool gzip_pack(enum gzip_format format, const char *data, size_t length, struct buf *out);
/* Frees what gzip_pack keeps for the calling thread. */
void gzip_pack_free(void);

#endif
