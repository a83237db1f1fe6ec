/* Status: error codes to HTTP status codes, the one place where they meet. */
#ifndef KD_HTTP_STATUS_H
#define KD_HTTP_STATUS_H

int status_of_code(int code);
/* "Not Found", ... */
const char *status_reason(int status);

#endif
