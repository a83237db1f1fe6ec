/* err: a code and a sentence in caller-owned memory. The sentence is built from the inside out: the place that
 * fails says what was wrong, each caller on the way up puts its context ("model 'm': layer 'conv1'") in front.
 * Sentences quote what files and requests hold, so each is made one line of valid UTF-8. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static void mark_cut(char *text, int wanted)
{
    if (wanted >= ERR_TEXT_MAX)
        memcpy(text + ERR_TEXT_MAX - 4, "...", 4);
}

static void format_text(char *text, const char *format, va_list args)
{
    int wanted = vsnprintf(text, ERR_TEXT_MAX, format, args);
    if (wanted < 0)
        text[0] = '\0';
    mark_cut(text, wanted);
    str_tidy(text);
}

int err_set(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    err->code = code;
    format_text(err->text, format, args);
    va_end(args);
    return code;
}

int err_wrap(struct err *err, const char *format, ...)
{
    if (!err)
        return KD_EINTERNAL;
    char context[ERR_TEXT_MAX], inner[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    format_text(context, format, args);
    va_end(args);
    memcpy(inner, err->text, sizeof(inner));
    int wanted = snprintf(err->text, sizeof(err->text), "%s: %s", context, inner);
    mark_cut(err->text, wanted);
    str_tidy(err->text); /* a character may be cut */
    return err->code;
}

static int code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return KD_ENOTFOUND;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return KD_ENOMEM;
    case EACCES:
    case EPERM:
        return KD_EDENIED;
    default:
        return KD_EIO;
    }
}

int err_errno(struct err *err, int errnum, const char *format, ...)
{
    int code = code_of_errno(errnum);
    if (!err)
        return code;
    char what[ERR_TEXT_MAX], reason[128];
    va_list args;
    va_start(args, format);
    format_text(what, format, args);
    va_end(args);
    const char *text = strerror_r(errnum, reason, sizeof(reason));
    err->code = code;
    int wanted = snprintf(err->text, sizeof(err->text), "%s: %s", what, text);
    mark_cut(err->text, wanted);
    str_tidy(err->text);
    return code;
}

const char *err_code_name(int code)
{
    switch (code) {
    case KD_OK:
        return "OK";
    case KD_EINVAL:
    case KD_EFORMAT:
        return "INVALID_ARGUMENT";
    case KD_ENOTFOUND:
        return "NOT_FOUND";
    case KD_EUNSUPPORTED:
        return "UNIMPLEMENTED";
    case KD_ETOOBIG:
    case KD_ENOMEM:
        return "RESOURCE_EXHAUSTED";
    case KD_EUNAVAILABLE:
        return "UNAVAILABLE";
    case KD_ETIMEOUT:
        return "DEADLINE_EXCEEDED";
    case KD_EDENIED:
        return "PERMISSION_DENIED";
    case KD_EEXISTS:
        return "ALREADY_EXISTS";
    case KD_EIO:
    case KD_EINTERNAL:
        return "INTERNAL";
    default:
        return "UNKNOWN";
    }
}
