/* status: TensorFlow Serving's mapping of canonical codes to HTTP, and 413 for what passes a limit. */
#include "http/status.h"

#include <stddef.h>

#include "base/err.h"
#include "base/size.h"

int status_of_code(int code)
{
    switch (code) {
    case KD_OK:
        return 200;
    case KD_EINVAL:
    case KD_EFORMAT:
        return 400;
    case KD_EDENIED:
        return 403;
    case KD_ENOTFOUND:
        return 404;
    case KD_EEXISTS:
        return 409;
    case KD_ETOOBIG:
        return 413;
    case KD_ENOMEM:
        return 429;
    case KD_EUNSUPPORTED:
        return 501;
    case KD_EUNAVAILABLE:
        return 503;
    case KD_ETIMEOUT:
        return 504;
    default:
        return 500;
    }
}

const char *status_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < KD_COUNT(table); i++)
        if (table[i].status == status)
            return table[i].reason;
    return "Unknown";
}
