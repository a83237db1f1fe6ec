/* Vocabularies as operands: shared by lookup and text_vectorize. */
#ifndef KD_ENGINE_LOOKUP_H
#define KD_ENGINE_LOOKUP_H

#include "engine/op.h"
#include "kernels/lookup.h"

/* keys, values: operand numbers; both constant vectors of one length. */
int vocabulary_check(const struct step *step, int keys, int values, struct err *err);
void vocabulary_describe(const struct step *step, int keys, int values, struct lookup *ret);
/* The hash table becomes node->packed. */
int vocabulary_pack(struct node *node, const struct step *step, int keys, int values, struct pack *pack,
                    struct err *err);

#endif
