/* Docs: the OpenAPI document and a page that shows it. */
#ifndef KD_HTTP_DOCS_H
#define KD_HTTP_DOCS_H

struct request;

void docs_openapi(struct request *request);
void docs_page(struct request *request);

#endif
