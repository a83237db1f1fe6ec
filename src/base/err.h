/* Errors as values: a code for programs and a sentence for the person who has to act on it. */
#ifndef KD_BASE_ERR_H
#define KD_BASE_ERR_H

/* The codes follow the canonical status codes that TensorFlow Serving uses; http/status.c alone maps
 * them to HTTP. 0 is success everywhere, failures are negative. */
enum kd_code {
    KD_OK = 0,
    KD_EINVAL = -1,       /* the request is wrong (INVALID_ARGUMENT) */
    KD_ENOTFOUND = -2,    /* no such model, version, file (NOT_FOUND) */
    KD_EUNSUPPORTED = -3, /* understood, but not something we serve (UNIMPLEMENTED) */
    KD_EFORMAT = -4,      /* the file is damaged or not what it claims to be (INVALID_ARGUMENT) */
    KD_ETOOBIG = -5,      /* a limit of the interface was passed (413, or RESOURCE_EXHAUSTED) */
    KD_ENOMEM = -6,       /* memory or another resource is exhausted (RESOURCE_EXHAUSTED) */
    KD_EUNAVAILABLE = -7, /* not now: queue full, loading, stopping (UNAVAILABLE) */
    KD_ETIMEOUT = -8,     /* deadline passed (DEADLINE_EXCEEDED) */
    KD_EIO = -9,          /* the operating system refused */
    KD_EDENIED = -10,     /* not allowed (PERMISSION_DENIED) */
    KD_EEXISTS = -11,     /* already there (ALREADY_EXISTS) */
    KD_EINTERNAL = -12    /* a defect of ours (INTERNAL) */
};

#define ERR_TEXT_MAX 1024

/* A caller-owned, fixed-size error; never allocates. Zero-initialise it, or pass it uninitialised to
 * a function that reports through it. Text is always valid NUL-terminated UTF-8 if its inputs are. */
struct err {
    int code;
    char text[ERR_TEXT_MAX];
};

/* Sets code and sentence; returns code, so that `return err_set(err, KD_EINVAL, "...")` reads well.
 * err may be NULL. A text that does not fit is cut with "..." at the end. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the present sentence ("layer 'conv1' (Conv2D): groups=3 ..."); returns the
 * present code. err may be NULL (returns KD_EINTERNAL then). */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets KD_EIO (KD_ENOENT -> KD_ENOTFOUND, ENOMEM -> KD_ENOMEM) with ": <strerror(errno)>" appended. */
int err_errno(struct err *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The canonical name of a code ("INVALID_ARGUMENT"), as status answers print it. */
const char *err_code_name(int code);

#endif
