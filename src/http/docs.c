/* docs: the OpenAPI document and a page that shows it. */
#include "http/docs.h"

#include "base/buf.h"
#include "http/request.h"

void docs_openapi(struct request *request)
{
    answer_text(request, 501, "not yet");
}

void docs_page(struct request *request)
{
    answer_text(request, 501, "not yet");
}
