/* response: building answers. Every answer is JSON unless it is metrics or a page, errors included, because clients
 * read {"error": ...} only from exactly application/json. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http/gzip.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"
#include "http/status.h"

#define JSON_TYPE "application/json"
/* Smaller answers are not worth the client's and our time. */
#define COMPRESS_FROM 1024

struct buf *answer_bytes(struct request *request, int status, const char *type)
{
    request->response.status = status;
    request->response.type = type;
    buf_reset(&request->response.body);
    return &request->response.body;
}

struct buf *answer(struct request *request, int status)
{
    return answer_bytes(request, status, JSON_TYPE);
}

void answer_header(struct request *request, const char *name, const char *value)
{
    struct response *response = &request->response;
    if (response->n_headers == REQUEST_HEADERS_MAX)
        return;
    response->headers[response->n_headers].name = name;
    response->headers[response->n_headers].value = value;
    response->n_headers++;
}

static void answer_sentence(struct request *request, int status, const char *text)
{
    struct buf *buf = answer(request, status);
    request->response.no_compress = true;
    buf_puts(buf, "{\"error\":");
    buf_json_string(buf, text, strlen(text));
    buf_putc(buf, '}');
    if (status == 503 || status == 429)
        answer_header(request, "Retry-After", "1");
}

void answer_error(struct request *request, const struct err *err)
{
    answer_sentence(request, status_of_code(err->code), err->text);
}

void answer_text(struct request *request, int status, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    answer_sentence(request, status, text);
}

/* Packs the body if the client takes it and it pays. What does not get smaller stays as it is. */
static void compress(struct request *request)
{
    struct response *response = &request->response;
    struct buf *body = &response->body;
    if (response->no_compress || body->length == 0 || (body->length < COMPRESS_FROM && !response->compress) ||
        !request->settings->compress)
        return;
    enum gzip_format format = gzip_choose(request->head.accept_encoding);
    if (format == GZIP_NONE)
        return;
    struct buf packed;
    buf_init(&packed, body->max);
    if (gzip_pack(format, body->data, body->length, &packed)) {
        buf_reset(body);
        buf_append(body, packed.data, packed.length);
        answer_header(request, "Content-Encoding", format == GZIP_GZIP ? "gzip" : "deflate");
    }
    buf_done(&packed);
    answer_header(request, "Vary", "Accept-Encoding");
}

static void add_cors(struct request *request)
{
    if (!request->settings->cors)
        return;
    struct http_settings *settings = &request->http->settings;
    lock_take(&settings->lock);
    snprintf(request->cors_origin, sizeof(request->cors_origin), "%s", settings->cors_origin);
    lock_give(&settings->lock);
    answer_header(request, "Access-Control-Allow-Origin", request->cors_origin);
    answer_header(request, "Access-Control-Allow-Methods", "POST, GET");
    answer_header(request, "Access-Control-Allow-Headers", "Content-Type");
}

void answer_finish(struct request *request)
{
    struct response *response = &request->response;
    if (response->body.failed) {
        int code = response->body.failed;
        response->n_headers = 0;
        buf_reset(&response->body);
        answer_text(request, code == KD_ENOMEM ? 429 : 500, "%s",
                    code == KD_ENOMEM ? "out of memory for the answer" : "the answer is larger than its limit");
    }
    compress(request);
    add_cors(request);
    answer_header(request, "X-Request-Id", request->id);
    response->close = response->close || request->http->draining;
}
