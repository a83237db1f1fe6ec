/* Topology: the graph of one model, Sequential or Functional, after its names have been resolved.
 *
 *   config.layers ──► children (layers)      nodes: one per call of a child, arguments as trees whose
 *   inbound_nodes ──► nodes, references      tensors are references to (node, output)
 *   input_layers, output_layers ──► ports    order: the nodes that the outputs need, each behind what it
 * reads
 */
#ifndef KD_KERAS_TOPOLOGY_H
#define KD_KERAS_TOPOLOGY_H

#include "keras/build.h"

struct map;

/* Output `tensor` of a node. Before resolution `node` is the number as written (see functional.c). */
struct keras_ref {
    size_t layer; /* index among the children */
    int64_t written;
    int64_t tensor;
    size_t node;
    bool of_outputs; /* stands in output_layers or input_layers */
};

struct keras_refs {
    size_t n, capacity;
    struct keras_ref *items;
};

/* A call. Arguments of kind TENSOR hold the number of their reference in `integer`. */
struct keras_node {
    size_t layer;
    size_t call;
    size_t n_args;
    const struct keras_arg *args;
    size_t n_kwargs;
    const struct keras_arg *kwargs;
    const char *const *kwarg_names;
    size_t first_ref, end_ref;
    int input; /* the model input that this node stands for, or -1 */
};

struct keras_port {
    size_t ref;
    const char *key; /* of a dict, or NULL */
};

struct keras_topology {
    struct keras_refs refs;
    size_t n_nodes;
    struct keras_node *nodes;
    size_t n_order;
    size_t *order;
    size_t n_inputs, n_outputs;
    struct keras_port *inputs, *outputs;
    bool is_chain; /* a Sequential: all outputs of its last layer are the model's */
};

/* What an InputLayer says; params of keras_class_input_layer. */
struct keras_input {
    bool has_shape;
    enum dtype dtype;
    struct shape shape; /* with the batch axis */
};

/* ---- input.c ---- */
/* Reads batch_input_shape or batch_shape (and dtype) of any layer's config; false if there is none. Sticky
 * error of `layer` for a malformed one. */
bool keras_input_read(struct keras_layer *layer, const cJSON *config, struct keras_input *ret);
/* What is known of the i-th input of a model: from its InputLayer, its first layer, or the models inside. */
bool keras_input_of(const struct keras_layer *model, size_t i, struct keras_input *ret,
                    const char **ret_name);

/* ---- args.c ---- */
struct keras_reader {
    struct keras_build *build;
    struct keras_topology *topology;
    const struct map *names; /* layer name -> index + 1 as a pointer */
    bool keras_3;            /* node form */
    bool of_outputs;
};
/* One value as an argument tree. */
int keras_read_arg(struct keras_reader *reader, const cJSON *json, struct keras_arg *ret, struct err *err);
/* One node: an element of inbound_nodes. keep_list: one reference in a list stays a list. */
int keras_read_node(struct keras_reader *reader, const cJSON *json, bool keep_list, struct keras_node *node,
                    struct err *err);
/* input_layers or output_layers. */
int keras_read_ports(struct keras_reader *reader, const cJSON *json, struct keras_port **ret, size_t *ret_n,
                     struct err *err);
size_t keras_layer_index(const struct keras_reader *reader, const char *name); /* SIZE_MAX if unknown */

/* ---- order.c ---- */
/* Sets topology->order. needed[i]: children that some output needs. KD_EFORMAT if there is a cycle. */
int keras_order(struct keras_build *build, struct keras_topology *topology, struct err *err);

/* ---- run.c ---- */
/* lower() of both model classes. */
int keras_topology_lower(const struct keras_layer *model, struct keras_call *call, struct err *err);

#endif
