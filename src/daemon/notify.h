/* Service manager: readiness, reload, watchdog and sockets by systemd's plain protocols (no library). */
#ifndef KD_DAEMON_NOTIFY_H
#define KD_DAEMON_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1\n..." to $NOTIFY_SOCKET; does nothing without one. Waits a few seconds
 * for a manager that does not read. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for messages that come again and again: given up at once when the manager has not read the earlier
 * ones, because the thread that sends them must not wait. */
void notify_try(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "RELOADING=1" with the time that the manager asks for. */
void notify_reloading(void);
/* Half of the watchdog's period, or 0: none for this process. */
int64_t notify_watchdog_ns(void);

/* A listening socket that the manager passed under this name ("http", "admin", "metrics"; the only one may
 * have any name and is "http"), or -1. Each is given out once. */
int notify_take_socket(const char *name);

#endif
