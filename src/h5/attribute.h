/* Attributes: texts and lists of names, in every form that a Keras or an h5py of any age writes. */
#ifndef KD_H5_ATTRIBUTE_H
#define KD_H5_ATTRIBUTE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

#define H5_MAX_TEXT_BYTES (16u << 20) /* of one text, and of one list of names together */
#define H5_MAX_NAMES      65536u

struct h5_names {
    size_t n;
    const char **items; /* NUL-terminated, in the arena */
};

/* where: the object's path, for the sentence. Errors: KD_EFORMAT, KD_ETOOBIG, KD_ENOMEM. */

/* A scalar or one-element string attribute; *ret is NULL if there is none of this name. */
int h5_get_text(hid_t object, const char *name, const char *where, struct arena *arena, const char **ret,
                struct err *err);
/* The list `name`, or the concatenation of name0, name1, ... *ret_found: false if there is neither. */
int h5_get_names(hid_t object, const char *name, const char *where, struct arena *arena, struct h5_names *ret,
                 bool *ret_found, struct err *err);
/* True for either form of the list. */
bool h5_has_names(hid_t object, const char *name);

#endif
