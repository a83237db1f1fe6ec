/* v1_examples: :classify and :regress. */
#include "http/request.h"
#include "http/v1.h"

void v1_examples_begin(struct request *request)
{
    answer_text(request, 501, "not yet");
}

void v1_classify_end(struct request *request)
{
}

void v1_regress_end(struct request *request)
{
}
