/* admin: health in all the spellings that orchestrators use, metrics, and waiting for the loader. */
#include <stdio.h>
#include <string.h>

#include "http/admin.h"
#include "http/docs.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/server.h"
#include "obs/metrics.h"

static void on_command(struct registry_command *command)
{
    request_wake((struct request *)((char *)command - offsetof(struct request, command)));
}

void request_command(struct request *request, enum registry_verb verb, const char *model,
                     void (*over)(struct request *request))
{
    struct registry_command *command = &request->command;
    *command = (struct registry_command){.verb = verb, .model = model, .done = on_command};
    struct err err;
    request_wait(request, over);
    if (registry_submit(request->http->registry, command, &err) == 0)
        return;
    command->code = err.code;
    command->err = err;
    request_wake(request);
}

/* ---- health ---- */

void admin_root(struct request *request)
{
    const char *accept = request->head.accept;
    if (accept && strstr(accept, "text/html"))
        docs_page(request);
    else
        buf_puts(answer(request, 200), "{\"status\":\"alive\"}");
}

void admin_livez(struct request *request)
{
    buf_puts(answer(request, 200), "{\"status\":\"ok\"}");
}

void admin_ping(struct request *request)
{
    buf_puts(answer(request, 200), "{\"status\":\"Healthy\"}");
}

static void put_models(struct request *request, struct buf *buf)
{
    struct registry_snapshot *snapshot;
    if (registry_snapshot(request->http->registry, NULL, &snapshot, NULL) != 0)
        return;
    buf_puts(buf, ",\"models\":[");
    for (size_t i = 0; i < snapshot->n; i++) {
        buf_puts(buf, i ? ",{\"name\":" : "{\"name\":");
        json_out_string(buf, snapshot->items[i].model);
        buf_printf(buf, ",\"version\":\"%lld\",\"state\":\"%s\",\"error\":", (long long)snapshot->items[i].version,
                   registry_state_name(snapshot->items[i].state));
        json_out_string(buf, snapshot->items[i].error);
        buf_putc(buf, '}');
    }
    buf_putc(buf, ']');
    registry_snapshot_free(snapshot);
}

void admin_readyz(struct request *request)
{
    struct err why;
    bool ready = registry_ready(request->http->registry, &why);
    struct buf *buf = answer(request, ready ? 200 : 503);
    buf_printf(buf, "{\"status\":\"%s\"", ready ? "ok" : "not ready");
    if (!ready) {
        buf_puts(buf, ",\"error\":");
        json_out_string(buf, why.text);
        answer_header(request, "Retry-After", "1");
    }
    if (request_query(request, "verbose"))
        put_models(request, buf);
    buf_putc(buf, '}');
}

/* ---- metrics ---- */

/* "?own" leaves out the names that break Prometheus's rules for names, which are those of other servers. */
void admin_metrics(struct request *request)
{
    struct http *http = request->http;
    metrics_set(metrics_series(METRIC_HTTP_IN_FLIGHT, NULL, NULL, NULL), 0, (uint64_t)http->in_flight);
    metrics_set(metrics_series(METRIC_HTTP_CONNECTIONS, NULL, NULL, NULL), 0, (uint64_t)http->connections);
    struct buf *buf = answer_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8");
    metrics_print(buf);
    registry_metrics(http->registry, request_query(request, "own"), buf);
}
