/* echo: the bare handler that `make bench` compares with. The same HTTP library with the same settings as
 * the daemon's listener, a body that is read and thrown away, a fixed answer as long as one of the model's.
 * What it reaches is what the daemon could reach if scanning, computing and writing took no time. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_PER_THREAD 125
#define MEMORY_BYTES 131072

static const char answer[] =
    "{\n    \"predictions\": [[0.000130408487, 1.20407646e-05, 0.000984524377, 0.998127937, 3.24219036e-08, "
    "0.000594885321, 2.3546398e-07, 2.04861795e-05, 8.31244738e-05, 4.6354436e-05]\n    ]\n}";
static struct MHD_Response *response;

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version,
                                  const char *data, size_t *length, void **state)
{
    if (!*state) { /* answering now would close the connection */
        *state = response;
        return MHD_YES;
    }
    if (*length) {
        *length = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(void)
{
    sigset_t signals;
    int signal;
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    response = MHD_create_response_from_buffer(sizeof(answer) - 1, (void *)(size_t)answer,
                                               MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, NULL,
                         MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_THREAD_POOL_SIZE, (unsigned)(threads > 1 ? threads : 0),
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)(threads * CONNECTIONS_PER_THREAD),
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_END);
    if (!daemon) {
        fputs("echo: cannot start\n", stderr);
        return 1;
    }
    fprintf(stderr, "listening on http://127.0.0.1:%u\n",
            MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    sigwait(&signals, &signal);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
