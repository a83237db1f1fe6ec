/* V1: TensorFlow Serving's REST API. */
#ifndef KD_HTTP_V1_H
#define KD_HTTP_V1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

struct buf;
struct err;
struct keras_signature_tensor;
struct request;

/* The answer of :predict. signature: n outputs. KD_EINVAL if the outputs cannot be given in rows. */
int v1_encode(const struct keras_signature_tensor *signature, size_t n, const struct tensor *outputs, bool columnar,
              bool pretty, struct buf *ret, struct err *err);

/* TensorFlow Serving's sentence for what predict_begin did not find. */
void v1_lookup_error(const struct request *request, struct err *err);

/* The body is complete: runs the model, then encode. */
void v1_run(struct request *request, void (*encode)(struct request *request));

void v1_predict_begin(struct request *request);
void v1_predict_body(struct request *request, const char *data, size_t length);
void v1_predict_end(struct request *request);
void v1_examples_begin(struct request *request);
void v1_classify_end(struct request *request);
void v1_regress_end(struct request *request);
void v1_explain(struct request *request);
void v1_status(struct request *request);
void v1_metadata(struct request *request);
void v1_list(struct request *request);
void v1_config(struct request *request);
void v1_reload(struct request *request);

#endif
