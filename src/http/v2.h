/* V2: the Open Inference Protocol with Triton's HTTP extensions. */
#ifndef KD_HTTP_V2_H
#define KD_HTTP_V2_H

#include <stddef.h>

struct err;
struct request;

/* Triton's sentence for what predict_begin did not find. */
void v2_lookup_error(const struct request *request, struct err *err);

void v2_infer_begin(struct request *request);
void v2_infer_body(struct request *request, const char *data, size_t length);
void v2_infer_end(struct request *request);

/* v2_encode.c: the answer from the job's outputs. */
void v2_encode(struct request *request);

/* v2_model.c: what is known of server and models. */
void v2_server(struct request *request);
void v2_live(struct request *request);
void v2_ready(struct request *request);
void v2_models(struct request *request);
void v2_metadata(struct request *request);
void v2_model_ready(struct request *request);
void v2_config(struct request *request);
void v2_stats(struct request *request);
void v2_refuse(struct request *request);

/* v2_repository.c */
void v2_index(struct request *request);
void v2_load(struct request *request);
void v2_unload(struct request *request);
void v2_named_repository(struct request *request);
void v2_logging(struct request *request);

#endif
