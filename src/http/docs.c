/* docs: one page for people, from docs.html: it reads /openapi.json and lets them try every call. It needs nothing from
 * outside, and says so to the browser. */
#include "http/docs.h"

#include "base/buf.h"
#include "http/request.h"

static const char page[] =
#include "http/docs.inc"
    ;

void docs_page(struct request *request)
{
    buf_append(answer_bytes(request, 200, "text/html; charset=utf-8"), page, sizeof(page) - 1);
    answer_header(request, "Content-Security-Policy",
                  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                  "img-src data:");
}
