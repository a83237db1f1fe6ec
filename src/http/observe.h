/* Observe: what is counted and logged of a request: ids, trace context, HTTP metrics, access log. */
#ifndef KD_HTTP_OBSERVE_H
#define KD_HTTP_OBSERVE_H

#include <stdbool.h>

struct request;

/* The head is there: takes or makes the request id, reads the trace context. */
void observe_begin(struct request *request);
/* The answer is complete and about to be sent: counts it, so that a client which has it finds it counted. */
void observe_answer(struct request *request);
/* The answer is out, or the client gone: the access log. */
void observe_finish(struct request *request, bool sent);

#endif
